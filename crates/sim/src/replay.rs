//! A run as a file, and the run of a file again: the same events in the same order, as far as one likes, and a look at
//! anybody on the way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use keymoot_engine::real::Real;
use serde::{Deserialize, Serialize};

use crate::frame::{Shape, Time};
use crate::model::Model;
use crate::planted::Bug;
use crate::watch::Violation;
use crate::world::show::{Actor, Advanced, Facts, Stage};
use crate::world::{Report, World};

/// The version of the file that is written and read.
pub const FORMAT: u32 = 1;

/// A run, as far as it has to be known to run it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    format: u32,
    seed: u64,
    shape: RunShape,
    real: bool,
    bug: Option<String>,
    violation: Option<Broken>,
    events: u64,
    /// The digest of all that happened, in 16 hexadecimal digits.
    history: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunShape {
    nodes: Option<u16>,
    small: bool,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broken {
    /// At which virtual time.
    pub at: Time,
    /// Which.
    pub invariant: String,
    /// What was seen.
    pub what: String,
}

impl Broken {
    fn of(at: Time, violation: &Violation) -> Self {
        Self { at, invariant: violation.invariant.to_owned(), what: violation.what.clone() }
    }
}

/// Why a text is no run of this program.
#[derive(Debug, thiserror::Error)]
pub enum BadRun {
    /// Not the JSON of a run.
    #[error("it is no run")]
    Json(#[from] serde_json::Error),
    /// Of another version.
    #[error("it has format {0}, and this program reads format {FORMAT}")]
    Format(u64),
    /// With a bug that does not exist.
    #[error("it plants a bug `{0}`, and there is none of that name")]
    Bug(String),
    /// With so many nodes as no committee has.
    #[error("it has {0} nodes, and there are 2 to 32")]
    Nodes(u16),
}

impl Run {
    /// What to write of a run that has ended like this.
    #[must_use]
    pub fn of(report: &Report, shape: Shape, is_real: bool, bug: Option<Bug>) -> Self {
        Self {
            format: FORMAT,
            seed: report.seed,
            shape: RunShape { nodes: shape.nodes, small: shape.small },
            real: is_real,
            bug: bug.map(|bug| format!("{bug:?}")),
            violation: report.violation.as_ref().map(|(at, violation)| Broken::of(*at, violation)),
            events: report.events,
            history: format!("{:016x}", report.history),
        }
    }

    /// Reads a run.
    ///
    /// # Errors
    /// A text that is none.
    pub fn read(text: &str) -> Result<Self, BadRun> {
        #[derive(Deserialize)]
        struct Versioned {
            format: u64,
        }
        let Versioned { format } = serde_json::from_str(text)?;
        if format != u64::from(FORMAT) {
            return Err(BadRun::Format(format));
        }
        let run: Self = serde_json::from_str(text)?;
        if let Some(nodes) = run.shape.nodes.filter(|nodes| !(2..=32).contains(nodes)) {
            return Err(BadRun::Nodes(nodes));
        }
        match &run.bug {
            Some(name) if run.planted().is_none() => Err(BadRun::Bug(name.escape_debug().to_string())),
            _ => Ok(run),
        }
    }

    /// Writes the run into a folder, as `run-<seed>.json`.
    ///
    /// # Errors
    /// The file system says no.
    pub fn keep(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("run-{}.json", self.seed));
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(&path, text)?;
        Ok(path)
    }

    /// The digest of its history.
    #[must_use]
    pub fn history(&self) -> &str {
        &self.history
    }

    /// The promise that was broken.
    #[must_use]
    pub const fn violation(&self) -> Option<&Broken> {
        self.violation.as_ref()
    }

    /// The bug that was planted.
    #[must_use]
    pub fn planted(&self) -> Option<Bug> {
        let name = self.bug.as_ref()?;
        Bug::ALL.iter().copied().find(|bug| format!("{bug:?}") == *name)
    }

    fn shape(&self) -> Shape {
        Shape { nodes: self.shape.nodes, small: self.shape.small }
    }

    /// Runs it again to its end, and tells what comes of it now. Equal if nothing has changed.
    #[must_use]
    pub fn again(&self) -> Self {
        let (seed, shape, bug) = (self.seed, self.shape(), self.planted());
        let report = match self.real {
            true => crate::run::one::<Real>(seed, shape, bug),
            false => crate::run::one::<Model>(seed, shape, bug),
        };
        Self::of(&report, shape, self.real, bug)
    }

    /// The world of the run, before its first event.
    #[must_use]
    pub fn open(&self) -> Replay {
        let (seed, shape, bug) = (self.seed, self.shape(), self.planted());
        let mut stage: Box<dyn Stage> = match self.real {
            true => Box::new(World::<Real>::new(seed, shape, bug)),
            false => Box::new(World::<Model>::new(seed, shape, bug)),
        };
        stage.begin();
        Replay { stage, broken: None, is_over: false }
    }
}

/// One event, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its number, from 1.
    pub number: u64,
    /// When, who and what.
    pub line: String,
}

/// Where to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// After this event.
    Event(u64),
    /// Before anything that happens later than this.
    Time(Time),
}

/// A run that is run again, event by event. Bugs in the model are planted for the whole thread: one replay at a time.
pub struct Replay {
    stage: Box<dyn Stage>,
    broken: Option<Broken>,
    is_over: bool,
}

impl Replay {
    /// Has one event happen; `None` when nothing happens any more.
    pub fn advance(&mut self) -> Option<Shown> {
        if self.is_over {
            return None;
        }
        let Advanced { line, is_last, broken } = self.stage.advance();
        self.broken = broken.map(|violation| Broken::of(self.stage.now(), &violation));
        self.is_over = is_last;
        Some(Shown { number: self.stage.events(), line })
    }

    /// Whether it is where it was to be stopped, or at its end.
    #[must_use]
    pub fn has_reached(&self, stop: Option<Stop>) -> bool {
        self.is_over
            || match stop {
                None => false,
                Some(Stop::Event(number)) => self.stage.events() >= number,
                Some(Stop::Time(time)) => self.stage.next_at().is_none_or(|next| next > time),
            }
    }

    /// The promise that was broken, if one was by now.
    #[must_use]
    pub const fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// How many events have happened, and the virtual time.
    #[must_use]
    pub fn moment(&self) -> (u64, Time) {
        (self.stage.events(), self.stage.now())
    }

    /// The world in a line.
    #[must_use]
    pub fn cast(&self) -> String {
        self.stage.cast()
    }

    /// Somebody's state now; `None` if there is nobody of that name.
    #[must_use]
    pub fn show(&self, actor: Actor) -> Option<Facts> {
        self.stage.show(actor)
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        crate::model::weaken(crate::model::Weakness::default());
    }
}

#[cfg(test)]
mod tests {
    use super::{BadRun, Run, Stop};
    use keymoot_engine::real::Real;

    use crate::model::Model;
    use crate::planted::Bug;
    use crate::{Shape, run};

    const SHAPE: Shape = Shape { nodes: None, small: false };

    fn run_of(seed: u64, bug: Option<Bug>) -> Run {
        Run::of(&run::one::<Model>(seed, SHAPE, bug), SHAPE, false, bug)
    }

    #[test]
    fn a_run_is_the_same_again_event_by_event() {
        for (seed, bug) in [(3, None), (4, Some(Bug::SpeakFirst)), (5, Some(Bug::ShareLeaks))] {
            let run = run_of(seed, bug);
            must_replay(&run);
        }
    }

    #[test]
    fn a_run_of_real_cryptography_is_the_same_again() {
        let shape = Shape { nodes: Some(3), small: true };
        for bug in [None, Some(Bug::SpeakFirst)] {
            must_replay(&Run::of(&run::one::<Real>(1, shape, bug), shape, true, bug));
        }
    }

    fn must_replay(run: &Run) {
        assert_eq!(run.again(), *run);
        let mut replay = run.open();
        let mut number = 0;
        while let Some(shown) = replay.advance() {
            number += 1;
            assert_eq!(shown.number, number);
            assert!(!shown.line.is_empty());
        }
        assert_eq!((number, replay.broken()), (run.events, run.violation()));
    }

    #[test]
    fn looking_changes_nothing() {
        let run = run_of(6, None);
        let actors = ["node-1", "node-2", "coordinator-0", "client-0", "network"];
        let actors = actors.map(|name| name.parse().unwrap());
        let mut replay = run.open();
        let mut seen = std::collections::BTreeSet::new();
        while replay.advance().is_some() {
            for actor in actors {
                seen.extend(replay.show(actor).unwrap().into_keys());
            }
        }
        assert_eq!(replay.moment().0, run.events);
        assert!(seen.iter().any(|fact| fact.starts_with("ses_")) && seen.len() > 50, "{seen:?}");
    }

    #[test]
    fn a_replay_stops_where_it_is_told() {
        let run = run_of(7, None);
        for stop in [Stop::Event(100), Stop::Time(500), Stop::Time(20_000)] {
            let mut replay = run.open();
            while !replay.has_reached(Some(stop)) {
                replay.advance();
            }
            match stop {
                Stop::Event(number) => assert_eq!(replay.moment().0, number),
                Stop::Time(time) => assert!(replay.moment().1 <= time && replay.moment().0 > 10),
            }
        }
    }

    #[test]
    fn what_is_written_can_be_read_and_nothing_else() {
        let text = serde_json::to_string(&run_of(8, Some(Bug::SpeakFirst))).unwrap();
        assert_eq!(Run::read(&text).unwrap(), run_of(8, Some(Bug::SpeakFirst)));
        let other = |from: &str, to: &str| {
            assert!(text.contains(from), "{text}");
            Run::read(&text.replacen(from, to, 1))
        };
        assert!(matches!(other("\"format\":1", "\"format\":2"), Err(BadRun::Format(2))));
        assert!(matches!(other("SpeakFirst", "SpeakLast"), Err(BadRun::Bug(_))));
        assert!(matches!(other("\"nodes\":null", "\"nodes\":33"), Err(BadRun::Nodes(33))));
        assert!(matches!(other("\"seed\"", "\"seeds\""), Err(BadRun::Json(_))));
        assert!(matches!(Run::read("{}"), Err(BadRun::Json(_))));
    }
}
