//! The vault itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::file::{Hold, hold, make_directory, read_private, write_private};
use crate::header::{HEADER_MAX, Header};
use crate::label::field;
use crate::local::Method;
use crate::seal::{DataKey, SealShare, Wrap, Wrapped, open, seal};
use crate::{Class, Fault, Kdf, Label, Owner, Unlock};

/// The name of the header in the directory.
const HEADER: &str = "vault.json";

/// An open vault: the data keys, in memory, and the directory, held for this process.
pub struct Vault {
    directory: PathBuf,
    id: [u8; 16],
    owner: Owner,
    keys: BTreeMap<Class, DataKey>,
    _hold: Hold,
}

impl Vault {
    /// Makes a vault with new data keys.
    ///
    /// # Errors
    /// There is one already, the passphrase is too short, the cost is out of bounds, or the system says no.
    pub fn create(
        directory: &Path,
        owner: Owner,
        unlock: Unlock,
        kdf: Kdf,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, Fault> {
        let method = Method::draw(&unlock, kdf, rng)?;
        let wrapping = method.key(&unlock)?.ok_or(Fault::Refused("this does not unlock a vault"))?;
        make_directory(directory)?;
        let path = directory.join(HEADER);
        let hold = hold(directory)?;
        if path.exists() {
            return Err(Fault::Exists(path));
        }
        let keys = Class::ALL.map(|class| {
            let mut key = Zeroizing::new([0; 32]);
            rng.fill_bytes(key.as_mut());
            (class, key)
        });
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let vault = Self { directory: directory.to_owned(), id, owner, keys: keys.into(), _hold: hold };
        vault.write_header(method, &wrapping, rng)?;
        Ok(vault)
    }

    /// Opens a vault.
    ///
    /// # Errors
    /// There is none, it is another's, another process has it, others can read it, or this does not unlock it.
    pub fn open(directory: &Path, owner: Owner, unlock: Unlock) -> Result<Self, Fault> {
        let path = directory.join(HEADER);
        if !path.exists() {
            return Err(Fault::Missing(directory.to_owned()));
        }
        let hold = hold(directory)?;
        let header = Header::parse(&path, &read_private(&path, HEADER_MAX)?, &owner)?;
        let locked = || Fault::Locked { path: path.clone(), unlock: header.unlock.name() };
        let wrapping = header.unlock.key(&unlock)?.ok_or_else(locked)?;
        let mut keys = BTreeMap::new();
        for class in Class::ALL {
            let wrapped = header.get(class);
            let missing = || Fault::damaged(&path, format!("it has no key for {}", class.name()));
            let wrapped = Wrapped(wrapped.ok_or_else(missing)?);
            let key = wrapping.unwrap(&header.purpose(class), &wrapped).ok_or_else(locked)?;
            keys.insert(class, key);
        }
        Ok(Self { directory: directory.to_owned(), id: header.id, owner, keys, _hold: hold })
    }

    /// From now on something else unlocks it. What is sealed stays as it is.
    ///
    /// # Errors
    /// As [`Vault::create`]; then what unlocked it before still does.
    pub fn relock(&self, unlock: &Unlock, kdf: Kdf, rng: &mut dyn CryptoRngCore) -> Result<(), Fault> {
        let method = Method::draw(unlock, kdf, rng)?;
        let wrapping = method.key(unlock)?.ok_or(Fault::Refused("this does not unlock a vault"))?;
        self.write_header(method, &wrapping, rng)
    }

    fn write_header(
        &self,
        method: Method,
        wrapping: &dyn Wrap,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(), Fault> {
        let mut header = Header::new(self.id, &self.owner, method);
        for (class, key) in &self.keys {
            let wrapped = wrapping.wrap(&header.purpose(*class), key, rng)?;
            header.put(*class, &wrapped.0);
        }
        write_private(&self.directory.join(HEADER), &header.to_text())
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Seals a secret for its place.
    ///
    /// # Errors
    /// It is longer than a mebibyte, or its name than 128 bytes.
    pub fn seal(&self, label: &Label, secret: &[u8], rng: &mut dyn CryptoRngCore) -> Result<Vec<u8>, Fault> {
        if !label.is_legal() {
            return Err(Fault::Refused("the name of a secret has 128 bytes at most"));
        }
        seal(self.key(label)?, &self.place(label), secret, rng)
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// It was not, or was changed since.
    pub fn open_sealed(&self, label: &Label, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        open(self.key(label)?, &self.place(label), sealed)
            .ok_or_else(|| Fault::Unsealed { label: label.to_string() })
    }

    fn key(&self, label: &Label) -> Result<&[u8; 32], Fault> {
        let key = self.keys.get(&label.class());
        key.map(|key| &**key).ok_or(Fault::Refused("the vault has no key for this class"))
    }

    fn place(&self, label: &Label) -> Vec<u8> {
        let mut place = Vec::new();
        field(&mut place, b"keymoot/sealed/v1");
        self.owner.write(&mut place);
        label.write(&mut place);
        place
    }

    /// Seals a secret into a file of its own in the vault.
    ///
    /// # Errors
    /// As [`Vault::seal`], or the system says no; then the old file is there.
    pub fn keep(
        &self,
        file: &str,
        label: &Label,
        secret: &[u8],
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(), Fault> {
        let sealed = self.seal(label, secret, rng)?;
        write_private(&self.directory.join(file), &sealed)
    }

    /// Opens a file of the vault.
    ///
    /// # Errors
    /// It is not there, others can read it, or it does not open at this place.
    pub fn recall(&self, file: &str, label: &Label) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let path = self.directory.join(file);
        let sealed = read_private(&path, crate::seal::SECRET_MAX as u64 + 64)?;
        self.open_sealed(label, &sealed).map_err(|fault| Fault::damaged(&path, fault.to_string()))
    }
}

impl SealShare for Vault {
    fn seal(&self, label: &Label, secret: &[u8], rng: &mut dyn CryptoRngCore) -> Result<Vec<u8>, Fault> {
        Self::seal(self, label, secret, rng)
    }

    fn open(&self, label: &Label, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        self.open_sealed(label, sealed)
    }
}
