//! Which keys are accounts. By id they are certified by the nodes. A name is only what the coordinator says: it could show
//! another key by it. So the id of a name is found once, said, and remembered, and a name is never taken for another key.

use std::collections::BTreeMap;
use std::path::Path;

use keymoot_types::KeyId;
use keymoot_wire::rest::KeyView;
use tracing::{info, warn};

use crate::explain::ETH_NOT_STARTED;
use crate::failure::{Failure, Trouble};
use crate::place;
use crate::remote::{Remote, ambiguous};

/// The ids of names, in the directory of a context.
const FILE: &str = "eth-keys.json";

/// Names and the ids that they have had first.
type Remembered = BTreeMap<String, KeyId>;

/// The ids of these keys.
pub async fn pinned(remote: &Remote, keys: &[String]) -> Result<Vec<KeyId>, Failure> {
    let is_name = |key: &&String| key.parse::<KeyId>().is_err();
    let names: Vec<&String> = keys.iter().filter(is_name).collect();
    if names.is_empty() {
        return Ok(keys.iter().filter_map(|key| key.parse().ok()).collect());
    }
    let path = remote.context.directory.join(FILE);
    let before = read(&path)?;
    let mut remembered = before.clone();
    let shown = match remote.keys_and_more().await {
        Ok((shown, false)) => Some(shown),
        Ok((_, true)) => {
            let what = "the cluster has more keys than are looked at for names";
            let trouble = Trouble::new(ETH_NOT_STARTED, what).undone("nothing was started");
            return Err(trouble.help("say ids in `keys`").into());
        }
        Err(failure) if names.iter().all(|name| remembered.contains_key(*name)) => {
            warn!(code = failure.code(), "the names of keys mean what they meant before");
            None
        }
        Err(failure) => return Err(failure),
    };
    let mut ids = Vec::new();
    for key in keys {
        if let Ok(id) = key.parse() {
            ids.push(id);
            continue;
        }
        let known = remembered.get(key).copied();
        let id = match &shown {
            Some(shown) => resolve(key, known, shown, &path)?,
            None => known.ok_or(Failure::Broken("a name that is remembered has an id"))?,
        };
        info!(name = key, %id, "a name stands for this key; with its id in `keys` nobody is believed about that");
        remembered.insert(key.clone(), id);
        ids.push(id);
    }
    if remembered != before {
        let text = serde_json::to_string_pretty(&shown_as_text(&remembered));
        place::write_text(&path, &text.map_err(Failure::bug("names and ids have JSON"))?)?;
    }
    Ok(ids)
}

/// The one key of a name, which is the one that it was before.
fn resolve(name: &str, known: Option<KeyId>, shown: &[KeyView], path: &Path) -> Result<KeyId, Failure> {
    let found: Vec<KeyView> = shown.iter().filter(|key| key.name == name && !key.retired).cloned().collect();
    let refused = |what: String, help: String| {
        Err(Trouble::new(ETH_NOT_STARTED, what).undone("nothing was started").help(help).into())
    };
    let name = name.escape_debug();
    match (found.as_slice(), known) {
        ([], None) => refused(
            format!("no key is called `{name}`"),
            "`keymoot key list` shows the keys; say an id in `keys`".into(),
        ),
        ([], Some(known)) => Ok(known),
        ([one], known) => {
            let id = one.id.parse().map_err(Failure::bug("the cluster gives a key an id that is none"))?;
            match known {
                Some(known) if known != id => refused(
                    format!("`{name}` was {known} and is {id} now"),
                    format!(
                        "say the id of the one that is meant in `keys`, or forget the old ones with `{}`",
                        path.display()
                    ),
                ),
                _ => Ok(id),
            }
        }
        (several, _) => Err(ambiguous(&name.to_string(), several)),
    }
}

fn read(path: &Path) -> Result<Remembered, Failure> {
    if !path.exists() {
        return Ok(Remembered::new());
    }
    let damaged = || {
        let what = format!("`{}` does not say which names have which ids", path.display());
        Failure::from(Trouble::new(ETH_NOT_STARTED, what).undone("nothing was started"))
    };
    let texts: BTreeMap<String, String> =
        serde_json::from_str(&place::read_text(path)?).map_err(|_| damaged())?;
    texts.into_iter().map(|(name, id)| Ok((name, id.parse().map_err(|_| damaged())?))).collect()
}

fn shown_as_text(remembered: &Remembered) -> BTreeMap<&str, String> {
    remembered.iter().map(|(name, id)| (name.as_str(), id.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8, name: &str, retired: bool) -> KeyView {
        KeyView { id: format!("key_{seed:032x}"), name: name.into(), retired, ..KeyView::default() }
    }

    fn id(seed: u8) -> KeyId {
        format!("key_{seed:032x}").parse().unwrap()
    }

    #[test]
    fn a_name_stands_for_one_key_and_never_for_another() {
        let find = |known: Option<u8>, shown: &[KeyView]| {
            resolve("hot", known.map(id), shown, Path::new("eth-keys.json"))
        };
        let (one, other) = (key(1, "hot", false), key(2, "hot", false));
        assert_eq!(find(None, &[key(3, "cold", false), one.clone(), key(4, "hot", true)]).unwrap(), id(1));
        assert_eq!(find(Some(1), std::slice::from_ref(&one)).unwrap(), id(1));
        assert_eq!(find(Some(1), &[]).unwrap(), id(1), "it may be retired, and is nobody else's name");
        let code = |found: Result<KeyId, Failure>| found.unwrap_err().code().to_owned();
        assert_eq!(code(find(None, &[])), "E2810");
        assert_eq!(code(find(Some(1), std::slice::from_ref(&other))), "E2810");
        assert_eq!(code(find(Some(1), &[one, other])), "E4006");
    }

    #[test]
    fn what_is_remembered_is_read_again_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert!(read(&path).unwrap().is_empty());
        let known = Remembered::from([("hot".to_owned(), id(1))]);
        std::fs::write(&path, serde_json::to_string(&shown_as_text(&known)).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), known);
        std::fs::write(&path, "{\"hot\": \"cold\"}").unwrap();
        assert_eq!(read(&path).unwrap_err().code(), "E2810");
    }
}
