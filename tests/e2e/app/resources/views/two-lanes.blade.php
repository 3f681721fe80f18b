{{ $shared }} {{ $composed }} {{ $given }}
