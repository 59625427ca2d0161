//! `keymoot debug replay`: a simulated run again, from its file, with a look at anybody on the way.
//!
//! The run is run twice: once to its end, to see whether its history is the one in the file, and once as far as one
//! wants to look.

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;

use keymoot_sim::replay::{Broken, Replay, Run, Stop};
use keymoot_sim::world::show::{Actor, Facts, Nobody};

use crate::commands::debug::ReplayArgs;
use crate::failure::Failure;

/// Events that are shown where nothing else was asked for.
const TAIL: usize = 40;

/// What was asked for, understood.
struct Wanted {
    until: Option<Stop>,
    step: Option<RangeInclusive<u64>>,
    show: Option<Actor>,
    diff: Option<RangeInclusive<u64>>,
}

impl Wanted {
    fn read(args: &ReplayArgs) -> Result<Self, Failure> {
        let range = |option: &'static str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => range(text).map(Some).ok_or_else(|| bad(option, "two events as 10..20", text)),
        };
        let until = match &args.until {
            None => None,
            Some(text) => {
                Some(stop(text).ok_or_else(|| bad("--until", "an event as 120, or a time as 500ms", text))?)
            }
        };
        let show = args.show.as_ref().map(|name| name.parse()).transpose().map_err(Failure::Nobody)?;
        let (step, diff) = (range("--step", &args.step)?, range("--diff", &args.diff)?);
        Ok(Self { until, step, show, diff })
    }
}

fn bad(option: &'static str, takes: &'static str, given: &str) -> Failure {
    Failure::Option { option, takes, given: given.escape_debug().to_string() }
}

fn stop(text: &str) -> Option<Stop> {
    match text.strip_suffix("ms") {
        Some(time) => time.parse().ok().map(Stop::Time),
        None => text.parse().ok().map(Stop::Event),
    }
}

fn range(text: &str) -> Option<RangeInclusive<u64>> {
    let (from, to) = text.split_once("..")?;
    let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then_some(from..=to)
}

/// Replays a run.
pub fn replay(args: &ReplayArgs, out: &mut impl Write) -> Result<(), Failure> {
    let wanted = Wanted::read(args)?;
    let run = load(&args.file)?;
    let again = run.again();
    let mut replay = run.open();
    if let Some(actor) = wanted.show.filter(|actor| replay.show(*actor).is_none()) {
        return Err(Failure::Nobody(Nobody(actor.to_string())));
    }
    writeln!(out, " {}", replay.cast()).map_err(Failure::Output)?;
    if let Some(bug) = run.planted() {
        writeln!(out, " planted: {bug:?}, {}", bug.text()).map_err(Failure::Output)?;
    }
    let is_same = again == run;
    if is_same {
        writeln!(out, " the history is the one in the file: {} ✓", run.history()).map_err(Failure::Output)?;
    }
    watch(&mut replay, &wanted, out)?;
    if is_same { Ok(()) } else { Err(Failure::Drifted { then: tell(&run), now: tell(&again) }) }
}

fn load(path: &Path) -> Result<Run, Failure> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Run::read(&text).map_err(|cause| Failure::BadRun { path: name, cause }),
        Err(cause) => Err(Failure::Unreadable { path: name, cause }),
    }
}

/// What came of a run, in words.
fn tell(run: &Run) -> String {
    let end = run.violation().map_or("no promise broken".to_owned(), broken);
    format!("history {}, {end}", run.history())
}

fn broken(broken: &Broken) -> String {
    format!("{} broken at {} ms, {}", broken.invariant, broken.at, broken.what)
}

fn watch(replay: &mut Replay, wanted: &Wanted, out: &mut impl Write) -> Result<(), Failure> {
    let Wanted { until, step, show: actor, diff } = wanted;
    let look = |replay: &Replay| actor.and_then(|actor| replay.show(actor)).unwrap_or_default();
    let mut tail = VecDeque::with_capacity(TAIL);
    let (mut before, mut after) = (None, None);
    let mut note = |replay: &Replay| {
        let here = replay.moment().0;
        if let Some(diff) = diff {
            if here == *diff.start() {
                before = Some(look(replay));
            }
            if here == *diff.end() {
                after = Some(look(replay));
            }
        }
    };
    note(replay);
    while !replay.has_reached(*until) {
        let Some(shown) = replay.advance() else { break };
        note(replay);
        let line = format!("{:>7} {}", shown.number, shown.line);
        match step {
            Some(step) if step.contains(&shown.number) => {
                writeln!(out, "{line}").map_err(Failure::Output)?;
            }
            Some(_) => {}
            None => {
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
        }
    }
    if actor.is_none() {
        for line in tail {
            writeln!(out, "{line}").map_err(Failure::Output)?;
        }
    }
    let (events, now) = replay.moment();
    match replay.broken() {
        Some(violation) => writeln!(out, " after event {events}: {}", broken(violation)),
        None => writeln!(out, " after event {events}, at {now} ms: no promise is broken"),
    }
    .map_err(Failure::Output)?;
    let Some(actor) = *actor else { return Ok(()) };
    match diff {
        None => write_facts(actor, &look(replay), out),
        Some(diff) => {
            // Whatever lies behind the end is as it is at the end.
            let after = after.unwrap_or_else(|| look(replay));
            let before = before.unwrap_or_else(|| look(replay));
            write_changes(actor, diff, (&before, &after), out)
        }
    }
}

fn write_facts(actor: Actor, facts: &Facts, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, " {actor}").map_err(Failure::Output)?;
    let write =
        |(name, value): (&String, &String)| writeln!(out, "   {name}: {value}").map_err(Failure::Output);
    facts.iter().try_for_each(write)
}

fn write_changes(
    actor: Actor,
    diff: &RangeInclusive<u64>,
    (before, after): (&Facts, &Facts),
    out: &mut impl Write,
) -> Result<(), Failure> {
    let (from, to) = (diff.start(), diff.end());
    writeln!(out, " {actor} from event {from} to event {to}").map_err(Failure::Output)?;
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let mut is_any = false;
    for name in changed {
        is_any = true;
        let sides = [("-", before.get(name)), ("+", after.get(name))];
        for (sign, value) in sides.into_iter().filter_map(|(sign, value)| Some((sign, value?))) {
            writeln!(out, " {sign} {name}: {value}").map_err(Failure::Output)?;
        }
    }
    if is_any { Ok(()) } else { writeln!(out, "   nothing has changed").map_err(Failure::Output) }
}
