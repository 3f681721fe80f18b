@extends('layout')
@section('body')
@php(usleep(random_int(0, 500)))
{{ $owner }}:@foreach ([1, 2] as $n)@include('part', ['n' => $n])@endforeach
@endsection
