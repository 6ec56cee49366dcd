//! Makes a failing run small: fewer kinds of faults, fewer peers and clients, less time, with the same broken
//! invariant.

use crate::run::{Plan, Report};

/// Runs smaller plans until none of them fails in the same way; at most `tries_max` runs.
#[must_use]
pub fn shrink(plan: &Plan, report: &Report, tries_max: usize) -> (Plan, Report) {
    let Some(violation) = &report.violation else {
        return (plan.clone(), report.clone());
    };
    let name = violation.invariant;
    let (mut best, mut best_report) = (plan.clone(), report.clone());
    let mut tries = 0;
    'again: loop {
        for smaller in smaller(&best, &best_report) {
            if tries >= tries_max {
                return (best, best_report);
            }
            tries += 1;
            let report = smaller.run();
            if report
                .violation
                .as_ref()
                .is_some_and(|v| v.invariant == name)
            {
                (best, best_report) = (smaller, report);
                continue 'again;
            }
        }
        return (best, best_report);
    }
}

/// Returns plans that are a little smaller, the largest steps first.
fn smaller(plan: &Plan, report: &Report) -> Vec<Plan> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Plan)| {
        let mut smaller = plan.clone();
        change(&mut smaller);
        smaller.fit();
        all.push(smaller);
    };
    let kinds = plan.trouble.kinds.len();
    if kinds > 3 {
        add(&|plan| drop(plan.trouble.kinds.drain(..kinds / 2)));
        add(&|plan| plan.trouble.kinds.truncate(kinds / 2));
    }
    for number in 0..kinds {
        if kinds > 1 {
            add(&|plan| {
                plan.trouble.kinds.retain({
                    let mut at = 0..;
                    move |_| at.next() != Some(number)
                })
            });
        }
    }
    let trouble_ms = plan.trouble.ms;
    if trouble_ms > 4_000 {
        add(&|plan| plan.trouble.ms = trouble_ms / 2);
        add(&|plan| plan.trouble.ms = trouble_ms * 3 / 4);
    }
    if let Some(at_ms) = report.violation.as_ref().map(|violation| violation.at_ms)
        && at_ms + 2_000 < trouble_ms
    {
        add(&|plan| plan.trouble.ms = at_ms);
    }
    let replicas = usize::from(plan.shape.replicas);
    if plan.shape.peers > replicas {
        add(&|plan| plan.shape.peers = replicas);
        add(&|plan| plan.shape.peers -= 1);
    }
    if plan.shape.load.clients > 1 {
        add(&|plan| plan.shape.load.clients = 1);
    }
    if plan.shape.load.pause_us < 2_000_000 {
        add(&|plan| plan.shape.load.pause_us *= 2);
    }
    if plan.shape.load.names > 1 {
        add(&|plan| plan.shape.load.names = 1);
    }
    all
}
