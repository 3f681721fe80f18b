<?php

return ['driver' => 'array', 'lifetime' => 120, 'cookie' => 'e2e', 'path' => '/', 'domain' => null, 'secure' => null];
