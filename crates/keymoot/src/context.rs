//! Which cluster a command talks to, and as whom. A context is a small file: of a demo beside the sockets of this
//! session of the user, of everything else in the user's configuration.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::explain::{BAD_CONTEXT, CONTEXT_TAKEN, FILES, NO_CONTEXT, USAGE};
use crate::failure::{Failure, Trouble};
use crate::place::{AUTHORITY, CLUSTER};

const FORMAT: &str = "keymoot-context/v1";
/// In the folder of contexts: the name of the one in use.
const CURRENT: &str = "current";

/// Where to ask, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    pub format: String,
    pub name: String,
    /// The directory of a client: keys, certificate, cluster document.
    pub directory: PathBuf,
    /// Another gateway than the first of the cluster document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The socket of the supervisor, where processes are killed and started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<PathBuf>,
}

impl Context {
    /// A context for a client's directory.
    pub fn new(name: &str, directory: &Path, supervisor: Option<PathBuf>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            name: name.to_owned(),
            directory: directory.to_owned(),
            gateway: None,
            supervisor,
        }
    }

    /// Whether it is of this directory, however that is written.
    fn leads_to(&self, directory: &Path) -> bool {
        let real = |path: &Path| fs::canonicalize(path).ok();
        real(&self.directory).is_some_and(|place| real(directory) == Some(place))
    }

    /// Whether its directory is there no more.
    pub fn is_gone(&self) -> bool {
        !self.directory.is_dir()
    }

    /// Whether it is of another directory, in which a cluster still is.
    fn is_of_another(&self, directory: &Path) -> bool {
        !self.leads_to(directory) && self.directory.join(CLUSTER).exists()
    }

    /// What starts its processes again, where a program on this machine has run them and runs no more.
    pub fn what_starts_it(&self) -> Option<String> {
        let socket = self.supervisor.as_ref()?;
        if UnixStream::connect(socket).is_ok() {
            return None;
        }
        let folder = self.directory.parent().unwrap_or(&self.directory).display();
        let is_lasting = Contexts::of_environment().of_directory(&self.name, &self.directory).is_some();
        Some(if is_lasting {
            format!("start it again: `keymoot up --dir {folder}`")
        } else {
            "the demo has ended, and its keys with it: `keymoot demo` starts another".to_owned()
        })
    }

    /// The socket of the supervisor, if there is one.
    pub fn supervisor(&self) -> Result<&Path, Failure> {
        self.supervisor.as_deref().ok_or_else(|| {
            let what = format!("the processes of `{}` are not supervised from here", self.name);
            Trouble::new(crate::explain::NOT_SUPERVISED, what).undone("nothing was done").into()
        })
    }
}

/// Both folders of contexts.
pub struct Contexts {
    /// What ends with the user's session at the latest.
    session: PathBuf,
    /// What stays.
    lasting: PathBuf,
}

impl Contexts {
    /// Where the environment says, by the conventions of XDG.
    pub fn of_environment() -> Self {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || folder("HOME").unwrap_or_else(std::env::temp_dir);
        let session = folder("XDG_RUNTIME_DIR").map_or_else(
            || std::env::temp_dir().join(format!("keymoot-{}", rustix::process::getuid().as_raw())),
            |runtime| runtime.join("keymoot"),
        );
        let lasting = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home().join(".config")).join("keymoot");
        Self { session: session.join("contexts"), lasting: lasting.join("contexts") }
    }

    #[cfg(test)]
    fn below(root: &Path) -> Self {
        Self { session: root.join("run/contexts"), lasting: root.join("etc/contexts") }
    }

    /// Keeps a context, for as long as the session or for good.
    pub fn put(&self, context: &Context, lasting: bool) -> Result<PathBuf, Failure> {
        let folder = if lasting { &self.lasting } else { &self.session };
        let path = folder.join(format!("{}.json", checked(&context.name)?));
        own_folder(folder).map_err(|error| refused(folder, error))?;
        let text = serde_json::to_vec_pretty(context).map_err(Failure::bug("a context has no JSON"))?;
        keymoot_vault::write_private(&path, &text).map_err(|fault| crate::place::vault_trouble(&fault))?;
        Ok(path)
    }

    /// Forgets a context of this session. One of the same name that stays is somebody else's, and stays.
    pub fn remove(&self, name: &str) {
        // It may be gone already.
        let _ = fs::remove_file(self.session.join(format!("{name}.json")));
    }

    /// All contexts that can be read, by name; what is of this session hides what stays.
    pub fn all(&self) -> BTreeMap<String, Context> {
        self.each().map(|context| (context.name.clone(), context)).collect()
    }

    /// All contexts that can be read, also those that are hidden; those of this session last.
    fn each(&self) -> impl Iterator<Item = Context> {
        let entries = [&self.lasting, &self.session].map(|folder| fs::read_dir(folder).into_iter().flatten());
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        paths
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| read(&path).ok())
    }

    /// The name for the context of a client's directory in `folder`: the one that is wanted; without one, that which the
    /// directory has, or `usual`, or that of the folder. A name that leads to another cluster is never taken from it.
    pub fn name_for(
        &self,
        directory: &Path,
        folder: &Path,
        wanted: Option<&str>,
        usual: &str,
    ) -> Result<String, Failure> {
        let other = |name: &str| self.each().find(|one| one.name == name && one.is_of_another(directory));
        let taken = |name: &str, other: &Context| {
            let what = format!("the context `{name}` is of `{}`", other.directory.display());
            let help = "give this one a name of its own with --context NAME";
            Failure::from(
                Trouble::new(CONTEXT_TAKEN, what).undone("nothing was started or changed").help(help),
            )
        };
        if let Some(name) = wanted {
            return other(checked(name)?).map_or(Ok(name.to_owned()), |other| Err(taken(name, &other)));
        }
        if let Some(known) = self.each().find(|one| one.leads_to(directory)) {
            return Ok(known.name);
        }
        if other(usual).is_none() {
            return Ok(usual.to_owned());
        }
        let name = named_like(folder).unwrap_or_else(|| usual.to_owned());
        other(&name).map_or(Ok(name.clone()), |other| Err(taken(&name, &other)))
    }

    /// The context of this name that stays, if it is of this directory.
    pub fn of_directory(&self, name: &str, directory: &Path) -> Option<Context> {
        let known = read(&self.lasting.join(format!("{name}.json"))).ok();
        known.filter(|known| known.leads_to(directory))
    }

    /// Whether this name is free for a cluster of this session only: what is of the session hides what stays.
    pub fn must_be_free_for_session(&self, name: &str) -> Result<(), Failure> {
        let path = self.lasting.join(format!("{}.json", checked(name)?));
        match read(&path) {
            Ok(other) if other.directory.join(CLUSTER).exists() => {
                let what = format!("the context `{name}` is of `{}`", other.directory.display());
                let help = "give this one a name of its own with --context NAME";
                Err(Trouble::new(CONTEXT_TAKEN, what)
                    .undone("nothing was started or changed")
                    .help(help)
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// The name of the context in use, if one was chosen for good.
    pub fn current(&self) -> Option<String> {
        fs::read_to_string(self.lasting.join(CURRENT)).ok().map(|name| name.trim().to_owned())
    }

    /// Chooses a context for good.
    pub fn choose(&self, name: &str) -> Result<(), Failure> {
        self.named(name)?;
        own_folder(&self.lasting).map_err(|error| refused(&self.lasting, error))?;
        fs::write(self.lasting.join(CURRENT), format!("{name}\n"))
            .map_err(|error| refused(&self.lasting, error))
    }

    /// The context that is meant: by option, by KEYMOOT_CTX, by choice.
    pub fn find(&self, wanted: Option<&str>) -> Result<Context, Failure> {
        let variable = std::env::var("KEYMOOT_CTX").ok().filter(|name| !name.is_empty());
        let name = wanted.map(str::to_owned).or(variable).or_else(|| self.current());
        match name {
            Some(name) if name.contains('/') => Ok(Context::new(&name, Path::new(&name), None)),
            Some(name) => self.named(&name),
            None => {
                let all = self.all();
                // Where there is only one, it is meant.
                if let [only] = all.values().collect::<Vec<_>>()[..] {
                    return Ok(only.clone());
                }
                let mut trouble = Trouble::new(NO_CONTEXT, "no context was given, and none is in use");
                if let Some(first) = all.keys().next() {
                    let help = format!(
                        "as in `export KEYMOOT_CTX={first}`, `--context {first}` or `keymoot context use {first}`"
                    );
                    trouble = trouble.help(help);
                } else {
                    trouble = trouble.help("there are no contexts yet: `keymoot up --dir DIR` or `keymoot join --finish` makes one");
                }
                for name in all.keys() {
                    trouble = trouble.branch(format!("there is `{name}`"));
                }
                Err(trouble.undone("nothing was sent").into())
            }
        }
    }

    fn named(&self, name: &str) -> Result<Context, Failure> {
        let file = format!("{}.json", checked(name)?);
        let path =
            [&self.session, &self.lasting].map(|folder| folder.join(&file)).into_iter().find(|p| p.exists());
        let Some(path) = path else {
            let mut trouble = Trouble::new(BAD_CONTEXT, format!("there is no context `{name}`"));
            for name in self.all().keys() {
                trouble = trouble.branch(format!("there is `{name}`"));
            }
            if Path::new(name).join(AUTHORITY).exists() {
                trouble = trouble.help(format!(
                    "for the directory of this name here say ./{name}, with the point and the slash"
                ));
            }
            return Err(trouble.undone("nothing was sent").into());
        };
        read(&path)
    }
}

fn read(path: &Path) -> Result<Context, Failure> {
    let bad = |cause: Box<dyn std::error::Error + Send + Sync>| {
        let what = format!("the context `{}` cannot be used", path.display());
        Failure::from(Trouble::new(BAD_CONTEXT, what).undone("nothing was sent").because(cause))
    };
    let bytes = keymoot_vault::read_private(path, 64 * 1024).map_err(|fault| bad(Box::new(fault)))?;
    let context: Context = serde_json::from_slice(&bytes).map_err(|error| bad(Box::new(error)))?;
    if context.format != FORMAT {
        return Err(bad("it has another format".into()));
    }
    Ok(context)
}

/// A folder's name as that of a context.
fn named_like(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder)).ok()?;
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = folder.file_name()?.to_string_lossy().chars().map(letter).take(63).collect();
    let name = name.trim_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// A name that is no path.
fn checked(name: &str) -> Result<&str, Failure> {
    let is_name = (1..=63).contains(&name.len())
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    if is_name {
        return Ok(name);
    }
    let what = format!("a context is named with a-z, 0-9 and -, not `{}`", name.escape_debug());
    Err(Trouble::new(USAGE, what).undone("nothing was sent or changed").into())
}

/// Makes the folder for its owner only, and takes none that somebody else has made: in a shared folder of temporary
/// files that would be an open door.
fn own_folder(folder: &Path) -> io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::symlink_metadata(parent)?;
    if !found.is_dir() || found.uid() != rustix::process::getuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!("`{}` is not yours alone", parent.display())));
    }
    Ok(())
}

fn refused(folder: &Path, error: io::Error) -> Failure {
    Trouble::new(FILES, format!("`{}` cannot be written", folder.display())).because(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_found_by_name_chosen_and_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let contexts = Contexts::below(root.path());
        assert_eq!(contexts.named("demo").unwrap_err().code(), "E2602");
        let demo = Context::new("demo", Path::new("somewhere"), Some("socket".into()));
        contexts.put(&demo, false).unwrap();
        // Unless the environment of this test says otherwise.
        if std::env::var_os("KEYMOOT_CTX").is_none() {
            assert_eq!(contexts.find(None).unwrap(), demo, "where there is only one, it is meant");
        }
        let lasting = Context::new("real", Path::new("elsewhere"), None);
        contexts.put(&lasting, true).unwrap();
        assert_eq!(contexts.find(Some("demo")).unwrap(), demo);
        contexts.choose("real").unwrap();
        assert_eq!((contexts.current().as_deref(), contexts.all().len()), (Some("real"), 2));
        assert_eq!(lasting.supervisor().unwrap_err().code(), "E2603");
        // A demo may have been named like it, and its end is not the end of what stays.
        contexts.put(&Context::new("real", Path::new("demo"), Some("socket".into())), false).unwrap();
        contexts.remove("real");
        assert_eq!(contexts.find(Some("real")).unwrap(), lasting);
        contexts.remove("demo");
        assert_eq!(contexts.find(Some("demo")).unwrap_err().code(), "E2602");
        assert_eq!(contexts.choose("demo").unwrap_err().code(), "E2602");
    }

    /// A directory of a client that has been admitted.
    fn admitted(root: &Path, folder: &str) -> PathBuf {
        let directory = root.join(folder).join("you");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(CLUSTER), "{}").unwrap();
        directory
    }

    #[test]
    fn a_second_directory_has_a_context_of_its_own_and_takes_none_over() {
        let root = tempfile::tempdir().unwrap();
        let contexts = Contexts::below(root.path());
        let name = |folder: &str, wanted| {
            let folder = root.path().join(folder);
            contexts.name_for(&folder.join("you"), &folder, wanted, "up")
        };
        assert_eq!(name("first", None).unwrap(), "up", "nobody has it");
        let first = admitted(root.path(), "first");
        contexts.put(&Context::new("up", &first, None), true).unwrap();
        assert_eq!(name("first", None).unwrap(), "up", "it is its own");
        assert_eq!(name("My Second", None).unwrap(), "my-second");
        let failure = name("My Second", Some("up")).unwrap_err();
        assert_eq!((failure.code(), failure.exit_code()), ("E2609", 6));
        assert!(failure.to_string().contains("first"), "{failure}");
        // Its name is kept, also when the usual one becomes free.
        let second = admitted(root.path(), "My Second");
        contexts.put(&Context::new("my-second", &second, None), true).unwrap();
        fs::remove_dir_all(root.path().join("first")).unwrap();
        assert_eq!(name("My Second", None).unwrap(), "my-second");
        assert_eq!(name("third", None).unwrap(), "up", "what it led to is gone");
        // Of two folders of one name the second has to say how it is called; a demo's name hides none of a cluster that stays.
        contexts.put(&Context::new("up", &admitted(root.path(), "fourth"), None), true).unwrap();
        contexts.put(&Context::new("up", Path::new("demo"), Some("socket".into())), false).unwrap();
        assert_eq!(name("else/my second", None).unwrap_err().code(), "E2609");
        assert_eq!(name("else/my second", Some("other")).unwrap(), "other");
        // Nor is one hidden by what is of this session only, as a demo is.
        assert_eq!(contexts.must_be_free_for_session("up").unwrap_err().code(), "E2609");
        assert!(contexts.must_be_free_for_session("demo").is_ok());
    }

    #[test]
    fn what_was_set_in_a_context_by_hand_is_found_again_by_its_directory() {
        let root = tempfile::tempdir().unwrap();
        let contexts = Contexts::below(root.path());
        let directory = admitted(root.path(), "first");
        let set = Context { gateway: Some("https://b:1".into()), ..Context::new("prod", &directory, None) };
        contexts.put(&set, true).unwrap();
        assert_eq!(contexts.of_directory("prod", &directory), Some(set));
        assert_eq!(contexts.of_directory("prod", &admitted(root.path(), "second")), None);
    }

    #[test]
    fn a_name_is_no_path_and_a_path_is_a_clients_directory() {
        let root = tempfile::tempdir().unwrap();
        let contexts = Contexts::below(root.path());
        for bad in ["", "..", "a b", "A", "x.json"] {
            assert_eq!(contexts.named(bad).unwrap_err().code(), "E2001", "{bad}");
        }
        assert_eq!(contexts.find(Some("./alice")).unwrap().directory, Path::new("./alice"));
    }
}
