<?php

declare(strict_types=1);

namespace KQueue\Tests\Oracle\App;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Notifications\Notifiable;

final class Person extends Model
{
    use Notifiable;

    public $timestamps = false;

    protected $table = 'rows';

    protected $guarded = [];

    public function routeNotificationForMail(): string
    {
        return 'person@example.com';
    }
}
