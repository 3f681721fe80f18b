--TEST--
A warning outside of all functions of a lane, as a stream is closed that its code returns
--EXTENSIONS--
kqueue
--FILE--
<?php
$returns = function () {
    $full = fopen('/dev/full', 'w');
    stream_set_write_buffer($full, 0);
    stream_filter_append($full, 'convert.base64-encode', STREAM_FILTER_WRITE);
    fwrite($full, 'abcd');
    KQueue\Engine::stop();
    return $full;
};
KQueue\Engine::run($returns, 1, false);
echo "shown\n";
set_error_handler(function ($level, $message) {
    echo $message, ' in ', count(debug_backtrace()), " frames\n";
    usleep(1000);
    return true;
});
KQueue\Engine::run($returns, 1, false);
echo "handled\n";
?>
--EXPECTF--

Notice: fwrite(): Write of 4 bytes failed with errno=28 No space left on device in %s on line 6

Notice: main(): Write of 4 bytes failed with errno=28 No space left on device in Unknown on line 0
shown
fwrite(): Write of 4 bytes failed with errno=28 No space left on device in 3 frames
main(): Write of 4 bytes failed with errno=28 No space left on device in 1 frames
handled
