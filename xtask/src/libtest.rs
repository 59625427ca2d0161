//! Reads what `cargo test` prints, line by line, and accounts for every test it announces.
//!
//! libtest has no stable machine format, so this reads the human one. Nothing is taken on trust: a section
//! must list as many verdicts as it announced, and its own sums must say the same.

/// What became of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passed.
    Ok,
    /// It failed.
    Failed,
    /// It was not run.
    Ignored,
}

/// One test by its full path, or one doctest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The name as libtest prints it.
    pub name: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// From `running N tests` to `test result:`. Doctests of one crate may come in more than one section.
#[derive(Debug, Default)]
pub struct Section {
    /// The file name of the test binary, or `Doc-tests crate_name`.
    pub binary: String,
    /// The tests in the order in which they ended.
    pub tests: Vec<Test>,
    announced: Option<usize>,
    /// The list is over, though it may be short.
    is_listed: bool,
    sums: Option<[usize; 3]>,
}

impl Section {
    /// How many tests ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.tests.iter().filter(|test| test.verdict == verdict).count()
    }

    fn is_listing(&self) -> bool {
        !self.is_listed && self.announced.is_some_and(|announced| self.tests.len() < announced)
    }

    fn problem(&self) -> Option<String> {
        let binary = &self.binary;
        let listed = [Verdict::Ok, Verdict::Failed, Verdict::Ignored].map(|verdict| self.count(verdict));
        match (self.announced, self.sums) {
            (None, _) => Some(format!("{binary} announced no tests")),
            (Some(_), None) => Some(format!("{binary} ended without a result")),
            (Some(announced), Some(sums)) if announced != self.tests.len() || sums != listed => {
                Some(format!("{binary} announced {announced} tests, listed {listed:?}, summed up {sums:?}"))
            }
            _ => None,
        }
    }
}

/// All that one run of `cargo test` reported so far.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of the run.
    pub sections: Vec<Section>,
    shows_failures: bool,
}

impl Report {
    /// Reads a whole output.
    pub fn read(output: &str) -> Self {
        let mut report = Self::default();
        for line in output.lines() {
            report.feed(line);
        }
        report
    }

    /// Reads one more line; returns whether a reader at the terminal wants to see it.
    pub fn feed(&mut self, line: &str) -> bool {
        if let Some(binary) = header(line) {
            self.sections.push(Section { binary, ..Section::default() });
            self.shows_failures = false;
            return true;
        }
        let Some(section) = self.sections.last_mut() else { return !line.trim().is_empty() };
        // Captured output comes after these words and may say anything.
        section.is_listed |= line == "successes:" || line == "failures:" || sums(line).is_some();
        if section.is_listing() {
            return match verdict(line) {
                Some(test) => {
                    let is_ok = test.verdict == Verdict::Ok;
                    section.tests.push(test);
                    !is_ok
                }
                None => !line.trim().is_empty(),
            };
        }
        match (announcement(line), sums(line)) {
            (Some(announced), _) if section.announced.is_none() => section.announced = Some(announced),
            (Some(announced), _) if section.sums.is_some() => {
                let binary = section.binary.clone();
                self.sections.push(Section { binary, announced: Some(announced), ..Section::default() });
            }
            (_, Some(sums)) if section.sums.is_none() => {
                section.sums = Some(sums);
                self.shows_failures = false;
                return true;
            }
            _ if section.sums.is_some() => return !line.trim().is_empty(), // cargo's own words
            _ => {}
        }
        self.shows_failures |= line == "failures:";
        self.shows_failures || line.starts_with("count: ")
    }

    /// All tests.
    pub fn tests(&self) -> impl Iterator<Item = &Test> {
        self.sections.iter().flat_map(|section| &section.tests)
    }

    /// Why not every announced test is accounted for; empty when all are.
    pub fn problems(&self) -> Vec<String> {
        self.sections.iter().filter_map(Section::problem).collect()
    }
}

/// `     Running unittests src/lib.rs (target/debug/deps/name-hash)` or `   Doc-tests name`.
fn header(line: &str) -> Option<String> {
    if let Some(name) = line.strip_prefix("   Doc-tests ") {
        return Some(format!("Doc-tests {name}"));
    }
    let (_, path) = line.strip_prefix("     Running ")?.strip_suffix(')')?.rsplit_once('(')?;
    Some(path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned())
}

/// `running 3 tests`.
fn announcement(line: &str) -> Option<usize> {
    let (count, noun) = line.strip_prefix("running ")?.split_once(' ')?;
    matches!(noun, "test" | "tests").then(|| count.parse().ok())?
}

/// `test path::of::it ... ok`; a test that should panic has ` - should panic` behind its name.
fn verdict(line: &str) -> Option<Test> {
    let (name, word) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let verdict = match word {
        "ok" => Verdict::Ok,
        "FAILED" => Verdict::Failed,
        word if word == "ignored" || word.starts_with("ignored, ") => Verdict::Ignored,
        _ => return None,
    };
    Some(Test { name: name.to_owned(), verdict })
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn sums(line: &str) -> Option<[usize; 3]> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |noun: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(noun))?;
        part.trim_end().parse().ok()
    };
    Some([count("passed")?, count("failed")?, count("ignored")?])
}

#[cfg(test)]
mod tests;
