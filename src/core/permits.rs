//! Permits: how many of something lanes may have at once, by name. A lane that gets none waits for its turn.
//!
//! Invariant: a lane that has one of a name gets further ones at once: if it waited, it might wait for itself. So the limit is one of
//! lanes, and of permits where a lane takes one only. What lanes that help with its job take is its own.
//! Invariant: nobody waits while fewer lanes than the limit have one, and no more have one, but for those that could not wait.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::scheduler::LaneId;

/// The number of a permit, counted from 1 and never used again.
pub type Permit = u64;

/// All permits of a run.
#[derive(Debug, Default)]
pub struct Permits {
    names: BTreeMap<String, Name>,
    out: HashMap<Permit, (String, LaneId)>,
    last: Permit,
}

#[derive(Debug, Default)]
struct Name {
    limit: usize,
    /// The lanes that have some, and how many.
    holders: HashMap<LaneId, usize>,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug, Clone, Copy)]
struct Waiter {
    lane: LaneId,
    /// Itself, or the lane whose job it helps with.
    owner: LaneId,
}

impl Permits {
    /// Gives `owner` a permit, or has `lane`, which is the same or helps with its job, wait for one. The limit is that of the last who
    /// asked.
    pub fn ask(&mut self, lane: LaneId, owner: LaneId, name: &str, limit: usize) -> Option<Permit> {
        let entry = self.names.entry(name.to_owned()).or_default();
        entry.limit = limit.max(1);
        let free = entry.holders.len() < entry.limit && entry.waiting.is_empty();
        if free || entry.holders.contains_key(&owner) {
            return Some(self.give(owner, name));
        }
        if entry.waiting.iter().all(|waiter| waiter.lane != lane) {
            entry.waiting.push_back(Waiter { lane, owner });
        }
        None
    }

    /// Gives `owner` a permit, beyond the limit if need be: for a lane that cannot wait now.
    pub fn take(&mut self, owner: LaneId, name: &str) -> Permit {
        self.give(owner, name)
    }

    /// A permit is given back. The lanes whose turn it is get theirs. A permit that was given back before is none.
    pub fn give_back(&mut self, permit: Permit) -> Vec<(LaneId, Permit)> {
        let Some((name, lane)) = self.out.remove(&permit) else {
            return Vec::new();
        };
        if let Some(entry) = self.names.get_mut(&name)
            && let Some(count) = entry.holders.get_mut(&lane)
        {
            *count -= 1;
            if *count == 0 {
                entry.holders.remove(&lane);
            }
        }
        self.next(&name)
    }

    /// The lane waits no longer.
    pub fn give_up(&mut self, lane: LaneId) {
        for entry in self.names.values_mut() {
            entry.waiting.retain(|waiter| waiter.lane != lane);
        }
    }

    /// The lane is gone, and all that it had is free.
    pub fn gone(&mut self, lane: LaneId) -> Vec<(LaneId, Permit)> {
        self.give_up(lane);
        let mut its: Vec<Permit> = self
            .out
            .iter()
            .filter(|(_, (_, holder))| *holder == lane)
            .map(|(permit, _)| *permit)
            .collect();
        its.sort_unstable();
        its.into_iter()
            .flat_map(|permit| self.give_back(permit))
            .collect()
    }

    /// What the lane has and others wait for.
    pub fn wanted_of(&self, lane: LaneId) -> impl Iterator<Item = &str> {
        self.names
            .iter()
            .filter(move |(_, entry)| {
                !entry.waiting.is_empty() && entry.holders.contains_key(&lane)
            })
            .map(|(name, _)| name.as_str())
    }

    /// Whether anyone waits.
    pub fn is_anyone_waiting(&self) -> bool {
        self.names.values().any(|entry| !entry.waiting.is_empty())
    }

    /// The lanes that have one of this name.
    pub fn holders(&self, name: &str) -> Vec<LaneId> {
        let mut lanes: Vec<LaneId> = self
            .names
            .get(name)
            .into_iter()
            .flat_map(|entry| entry.holders.keys().copied())
            .collect();
        lanes.sort_unstable();
        lanes
    }

    /// Gives what is free to the first in line, and to whoever helps with the same job.
    fn next(&mut self, name: &str) -> Vec<(LaneId, Permit)> {
        let Some(entry) = self.names.get_mut(name) else {
            return Vec::new();
        };
        if entry.holders.len() >= entry.limit {
            return Vec::new();
        }
        let Some(owner) = entry.waiting.front().map(|waiter| waiter.owner) else {
            return Vec::new();
        };
        let (its, others): (VecDeque<Waiter>, _) = entry
            .waiting
            .iter()
            .partition(|waiter| waiter.owner == owner);
        entry.waiting = others;
        its.into_iter()
            .map(|waiter| (waiter.lane, self.give(owner, name)))
            .collect()
    }

    fn give(&mut self, lane: LaneId, name: &str) -> Permit {
        self.last += 1;
        self.out.insert(self.last, (name.to_owned(), lane));
        let entry = self.names.entry(name.to_owned()).or_default();
        *entry.holders.entry(lane).or_default() += 1;
        self.last
    }
}
