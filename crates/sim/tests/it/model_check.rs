//! Complete state spaces of the two places where a crash could cost a key: the commit of a key, and the burning of a
//! presignature. What is checked is the engine itself, not a description of it.
//!
//! Each property is shown to fail where something is broken on purpose.

mod burn;
mod commit;
mod desk;
mod life;
mod script;
mod split;

use std::fmt::Debug;
use std::hash::Hash;

use keymoot_sim::model::{Weakness, weaken};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

/// Looks at every state there is. All properties hold, and everything that should be possible is.
fn must_hold<M>(name: &str, model: M)
where
    M: Model<State: Clone + Debug + Hash + PartialEq + Send + Sync, Action: Clone + Debug + PartialEq>
        + Send
        + Sync
        + 'static,
{
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    weaken(Weakness::default());
    let found = |property: &Property<M>| checker.discovery(property.name);
    let (possible, necessary): (Vec<_>, Vec<_>) = checker
        .model()
        .properties()
        .into_iter()
        .partition(|property| matches!(property.expectation, Expectation::Sometimes));
    for property in necessary {
        if let Some(path) = found(&property) {
            panic!("{name}: it does not hold that {}: {:?}", property.name, path.into_actions());
        }
    }
    for property in possible {
        assert!(found(&property).is_some(), "{name}: it never happens that {}", property.name);
    }
    assert!(checker.is_done(), "{name}: not all states were seen");
    let (states, unique) = (checker.state_count(), checker.unique_state_count());
    println!("model check {name}: {states} states, {unique} unique, complete; depth {}", checker.max_depth());
}

/// Looks until something is wrong. This property is.
fn must_fail<M>(name: &str, model: M, property: &'static str)
where
    M: Model<State: Clone + Debug + Hash + PartialEq + Send + Sync, Action: Clone + Debug + PartialEq>
        + Send
        + Sync
        + 'static,
{
    let until = HasDiscoveries::AnyOf([property].into());
    let checker = model.checker().finish_when(until).spawn_bfs().join();
    weaken(Weakness::default());
    let Some(path) = checker.discovery(property) else { panic!("{name}: nobody noticed") };
    println!("model check {name}: found after {} states: {:?}", checker.state_count(), path.into_actions());
}
