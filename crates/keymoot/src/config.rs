//! The configuration of one process: what its `keymoot.toml` says, what the environment overrides, what holds otherwise.

mod keys;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::explain::{CONFIG_KEY, CONFIG_MISSING, CONFIG_SYNTAX, CONFIG_VALUE};
use crate::failure::{Failure, Trouble};
use keys::{KEYS, Key};

pub use keys::reference;

/// The name of the file.
pub const FILE: &str = "keymoot.toml";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File,
    Environment(String),
}

/// The configuration. Every value in it is one that its key takes.
#[derive(Debug)]
pub struct Config {
    directory: PathBuf,
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl Config {
    /// Reads the file in a directory, and the environment.
    pub fn read(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let what = format!("there is no `{}`", path.display());
                return Err(Trouble::new(CONFIG_MISSING, what).undone("nothing was started").into());
            }
            Err(error) => {
                let what = format!("`{}` cannot be read", path.display());
                return Err(Trouble::new(CONFIG_MISSING, what).because(error).into());
            }
        };
        Self::parse(directory, &text, &environment())
    }

    /// The same, from a text and an environment.
    pub fn parse(
        directory: &Path,
        text: &str,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            let what = format!("`{FILE}` is not TOML, at line {line}: {}", error.message());
            Trouble::new(CONFIG_SYNTAX, what).undone("nothing was started")
        })?;
        let mut values = BTreeMap::new();
        for (name, value) in &table {
            let key = KEYS.iter().find(|key| key.name == name).ok_or_else(|| unknown(name))?;
            values.insert(key.name, (checked(key, &plain(value), FILE)?, Origin::File));
        }
        for (variable, text) in environment {
            if let Some(key) = KEYS.iter().find(|key| keys::variable(key) == *variable) {
                let origin = Origin::Environment(variable.clone());
                values.insert(key.name, (checked(key, text, variable)?, origin));
            } else {
                must_be_known(variable)?;
            }
        }
        for name in ["cluster", "role", "name"] {
            if !values.contains_key(name) {
                let what = format!("`{FILE}` does not say `{name}`");
                return Err(Trouble::new(CONFIG_VALUE, what).undone("nothing was started").into());
            }
        }
        let role = values.get("role").map(|(role, _)| role.clone()).unwrap_or_default();
        for key in KEYS {
            match (key.is_for(&role), values.get(key.name), key.default) {
                (true, None, Some(default)) => {
                    values.insert(key.name, (default.to_owned(), Origin::Default));
                }
                (false, Some((_, Origin::File)), _) => return Err(misplaced(key, &role)),
                // An environment is often shared by processes of several roles.
                (false, Some(_), _) => {
                    values.remove(key.name);
                }
                _ => {}
            }
        }
        if values.contains_key("key_file") && values.contains_key("passphrase_file") {
            let what = "`key_file` and `passphrase_file` are both set, and a vault opens with one of them";
            return Err(Trouble::new(CONFIG_VALUE, what).undone("nothing was started").into());
        }
        Ok(Self { directory: directory.to_owned(), values })
    }

    /// The directory of the process.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A value that always is there: set, or by default.
    pub fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |(text, _)| text)
    }

    /// A flag.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    /// A number.
    pub fn number(&self, name: &str) -> usize {
        self.text(name).parse().unwrap_or(1)
    }

    /// Several words.
    pub fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.text(name).split(',')
    }

    /// An address.
    pub fn address(&self, name: &'static str) -> Result<SocketAddr, Failure> {
        self.text(name).parse().map_err(Failure::bug("a checked address is none"))
    }

    /// A path, from the directory of the process.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.values.get(name).map(|(text, _)| self.directory.join(text))
    }

    /// All values for this role, with where they come from; only those of the file and the environment unless all are wanted.
    pub fn shown(&self, effective: bool) -> Vec<(&'static str, Option<&str>, Option<&Origin>)> {
        let keys = KEYS.iter().filter(|key| key.is_for(self.text("role")));
        let rows = keys.map(|key| match self.values.get(key.name) {
            Some((text, origin)) => (key.name, Some(text.as_str()), Some(origin)),
            None => (key.name, None, None),
        });
        rows.filter(|(_, _, origin)| effective || origin.is_some_and(|origin| *origin != Origin::Default))
            .collect()
    }
}

/// Our variables in the environment.
fn environment() -> BTreeMap<String, String> {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(keys::PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    ours.collect()
}

/// For commands that read no configuration: a misspelt variable is an error there as well, since whoever has set it
/// believes that it says something.
pub fn check_environment() -> Result<(), Failure> {
    environment().keys().try_for_each(|variable| must_be_known(variable))
}

fn must_be_known(variable: &str) -> Result<(), Failure> {
    let is_key = KEYS.iter().any(|key| keys::variable(key) == variable);
    if is_key || keys::is_no_key(variable) { Ok(()) } else { Err(unknown_variable(variable)) }
}

/// The text of a file with these values, in the order of the reference.
pub fn write(values: &[(&str, String)]) -> String {
    let mut text = String::from("# See docs/guide/configuration.md, or `keymoot config reference`.\n");
    for key in KEYS {
        if let Some((name, value)) = values.iter().find(|(name, _)| *name == key.name) {
            let value = match key.takes {
                keys::Takes::Flag | keys::Takes::Number(..) => value.clone(),
                keys::Takes::Words(_) => {
                    let words = value.split(',').map(|word| toml::Value::String(word.to_owned()));
                    toml::Value::Array(words.collect()).to_string()
                }
                _ => toml::Value::String(value.clone()).to_string(),
            };
            text.push_str(&format!("{name} = {value}\n"));
        }
    }
    text
}

/// What a TOML value is as text: a string without its quotes, and several of them with commas between.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::Array(words) if words.iter().all(toml::Value::is_str) => {
            words.iter().map(plain).collect::<Vec<_>>().join(",")
        }
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn checked(key: &Key, text: &str, place: &str) -> Result<String, Failure> {
    if key.takes.takes(text) {
        return Ok(text.to_owned());
    }
    let (given, takes) = (text.escape_debug(), key.takes.words());
    let what = format!("`{}` takes {takes}, not `{given}` ({place})", key.name);
    Err(Trouble::new(CONFIG_VALUE, what).undone("nothing was started").into())
}

fn unknown(name: &str) -> Failure {
    let what = format!("there is no configuration key `{}`", name.escape_debug());
    let names: Vec<_> = KEYS.iter().map(|key| key.name.to_owned()).collect();
    nearest(Trouble::new(CONFIG_KEY, what), name, names)
}

fn unknown_variable(variable: &str) -> Failure {
    let what = format!("the environment sets `{}`, and there is no such key", variable.escape_debug());
    let known = KEYS.iter().map(keys::variable).chain([format!("{}CTX", keys::PREFIX)]).collect();
    nearest(Trouble::new(CONFIG_KEY, what), variable, known)
}

fn misplaced(key: &Key, role: &str) -> Failure {
    let what = format!("`{}` is for: {}; this is the directory of a {role}", key.name, key.roles);
    let help = "take the line out of keymoot.toml, or put it where it belongs";
    Trouble::new(CONFIG_KEY, what).undone("nothing was started").help(help).into()
}

/// Suggests the name that is meant, or says all there are.
fn nearest(trouble: Trouble, name: &str, known: Vec<String>) -> Failure {
    let trouble = trouble.undone("nothing was started, and nothing was asked of a cluster");
    // Half a name is meant for the whole one, however long the other half is.
    let distance = |known: &String| {
        let is_half = known.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
        if is_half { 1 } else { strsim::damerau_levenshtein(name, known) }
    };
    let nearest = known.iter().map(|known| (distance(known), known)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 3.min(nearest.len() / 2 + 1) => {
            trouble.help(format!("did you mean `{nearest}`?")).into()
        }
        _ => trouble.help(format!("known keys: {}", known.join(", "))).into(),
    }
}

#[cfg(test)]
mod tests;
