<{{ $owner }}>@yield('body')</{{ $owner }}>
