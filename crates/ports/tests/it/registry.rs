//! Registry: the twin and its broken copies.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use keymoot_ports::conformance::{Verdict, registry};
use keymoot_ports::memory::clock::HandClock;
use keymoot_ports::memory::registry::{Roll, Twin};
use keymoot_ports::registry::{MEMBERS_MAX, Member, ROLES_MAX, Revision, Roster};
use keymoot_ports::{Address, Answer, Fault, Name, Registry, Role, Ttl};
use keymoot_types::Millis;

use crate::drive::{TwinRoom, block_on, must_be_rejected};

#[derive(Clone, Copy, PartialEq)]
enum How {
    Well,
    LeasesNeverLapse,
    RenewalsAreIgnored,
    EveryRenewalIsAChange,
    NothingIsEverAChange,
    WithdrawingDoesNothing,
    TheFirstAddressStays,
}

struct Copied {
    honest: Twin,
    how: How,
    seen: Arc<Mutex<BTreeSet<Name>>>,
    renewals: Arc<Mutex<u64>>,
}

impl Copied {
    fn counted(&self, mut roster: Roster) -> Roster {
        if self.how == How::EveryRenewalIsAChange {
            roster.revision.0 += *self.renewals.lock().unwrap();
        }
        roster
    }
}

fn sit(how: How) -> Verdict {
    let mut room = TwinRoom::<dyn Registry>::new(move |clock| {
        let stopped = Arc::new(HandClock::default());
        let honest = Twin::new(if how == How::LeasesNeverLapse { stopped } else { clock });
        let (seen, renewals) = (Arc::default(), Arc::default());
        Box::new(move || {
            let (honest, seen, renewals) = (honest.clone(), Arc::clone(&seen), Arc::clone(&renewals));
            Arc::new(Copied { honest, how, seen, renewals })
        })
    });
    block_on(registry::sit(&mut room))
}

impl Registry for Copied {
    fn announce<'a>(&'a self, member: &'a Member, ttl: Ttl) -> Answer<'a, ()> {
        Box::pin(async move {
            *self.renewals.lock().unwrap() += 1;
            let is_new = self.seen.lock().unwrap().insert(member.name.clone());
            if self.how == How::RenewalsAreIgnored && !is_new {
                return Ok(());
            }
            let mut member = member.clone();
            if self.how == How::TheFirstAddressStays
                && let Some(known) =
                    self.honest.discover(&member.role).await?.members.iter().find(|m| m.name == member.name)
            {
                member.address = known.address.clone();
            }
            self.honest.announce(&member, ttl).await
        })
    }

    fn withdraw<'a>(&'a self, name: &'a Name) -> Answer<'a, ()> {
        Box::pin(async move {
            if self.how == How::WithdrawingDoesNothing { Ok(()) } else { self.honest.withdraw(name).await }
        })
    }

    fn discover<'a>(&'a self, role: &'a Role) -> Answer<'a, Roster> {
        Box::pin(async move { Ok(self.counted(self.honest.discover(role).await?)) })
    }

    fn watch<'a>(&'a self, role: &'a Role, since: Revision) -> Answer<'a, Option<Roster>> {
        Box::pin(async move {
            let now = self.discover(role).await?;
            Ok((self.how != How::NothingIsEverAChange && now.revision != since).then_some(now))
        })
    }
}

#[test]
fn the_twin_passes() {
    let mut room = TwinRoom::<dyn Registry>::new(|clock| {
        let twin = Twin::new(clock);
        Box::new(move || Arc::new(twin.clone()))
    });
    block_on(registry::sit(&mut room)).unwrap();
    sit(How::Well).unwrap();
}

#[test]
fn broken_twins_fail() {
    for (how, sentence) in [
        (How::LeasesNeverLapse, "a member whose lease has lapsed is gone"),
        (How::RenewalsAreIgnored, "a member is there as long as its lease holds"),
        (How::EveryRenewalIsAChange, "neither a renewed lease nor another role is a change"),
        (How::NothingIsEverAChange, "a watcher is told who joins"),
        (How::WithdrawingDoesNothing, "who withdraws is gone at once, and nobody else is"),
        (How::TheFirstAddressStays, "who announces another address is found there, and only there"),
    ] {
        must_be_rejected(sit(how), sentence);
    }
}

#[test]
fn a_registry_for_each_process_fails() {
    let mut room =
        TwinRoom::<dyn Registry>::new(|clock| Box::new(move || Arc::new(Twin::new(clock.clone()))));
    let verdict = block_on(registry::sit(&mut room));
    must_be_rejected(verdict, "one process finds what another announced");
}

#[test]
fn a_roll_is_bounded() {
    let (mut roll, ttl) = (Roll::default(), Ttl::new(10).unwrap());
    let member = |name: usize, role: usize| Member {
        name: Name::new(&format!("n{name}")).unwrap(),
        role: Role::new(&format!("r{role}")).unwrap(),
        address: Address::new("here").unwrap(),
    };
    for i in 0..MEMBERS_MAX {
        roll.announce(&member(i, i % ROLES_MAX), ttl, Millis(0)).unwrap();
    }
    assert!(matches!(roll.announce(&member(MEMBERS_MAX, 0), ttl, Millis(0)), Err(Fault::Full)));
    assert!(matches!(roll.announce(&member(0, ROLES_MAX), ttl, Millis(0)), Err(Fault::Full)));
    roll.announce(&member(0, 1), ttl, Millis(9)).unwrap();
    assert_eq!(roll.discover(&member(0, 1).role, Millis(10)).members, [member(0, 1)]);
    roll.announce(&member(MEMBERS_MAX, 0), ttl, Millis(10)).unwrap();
}
