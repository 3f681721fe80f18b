<?php

namespace App\Jobs;

use App\Models\Order;
use App\Models\User;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Queue\Queueable;
use Illuminate\Support\Facades\DB;

/** Writes through Eloquent, in a transaction of its own. An ordinary Laravel job with a model in it. */
class PlaceOrder implements ShouldQueue
{
    use Queueable;

    public int $tries = 3;

    /** @param  array<string, int>  $lines  product => price */
    public function __construct(public User $user, public array $lines) {}

    public function handle(): void
    {
        $order = DB::transaction(function (): Order {
            $order = $this->user->orders()->create(['status' => 'new']);

            foreach ($this->lines as $product => $price) {
                $order->lines()->create(['product' => $product, 'price' => $price]);
            }

            $order->update(['status' => 'placed', 'total' => $order->lines()->sum('price')]);

            return $order;
        });

        if ($order->load('lines')->lines->sum('price') !== array_sum($this->lines)) {
            throw new \LogicException("Order {$order->id} has the lines of another one.");
        }
    }
}
