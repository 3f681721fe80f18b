[{{ $owner }}-{{ $n }}@php(usleep(random_int(0, 500)))]
