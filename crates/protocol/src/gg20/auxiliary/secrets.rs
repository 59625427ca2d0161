//! What one member keeps: its primes beside everybody's table.

use std::sync::Arc;

use keymoot_types::Party;
use zeroize::Zeroizing;

use super::super::factored::Factored;
use super::super::number::{Natural, limbs_for};
use super::super::paillier::SecretKey;
use super::table::Table;
use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::transcript::Hash;

/// One member's side of a committee's moduli. Secret: no `Clone`, no `Debug`, wiped on drop.
///
/// The primes of the commitment modulus are not in it: nobody needs them once its proof is made.
///
/// ```compile_fail
/// fn copy(one: &keymoot_protocol::gg20::Auxiliary) -> keymoot_protocol::gg20::Auxiliary {
///     one.clone()
/// }
/// ```
pub struct Auxiliary {
    pub(in super::super) party: Party,
    pub(in super::super) key: SecretKey,
    pub(in super::super) table: Arc<Table>,
}

impl Auxiliary {
    /// Whose it is.
    #[must_use]
    pub const fn party(&self) -> Party {
        self.party
    }

    /// Everybody's moduli.
    #[must_use]
    pub const fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The encoding for a sealed store: whose side of which table it is, without the table.
    #[must_use]
    pub fn seal(&self) -> Zeroizing<Vec<u8>> {
        seal(self.party, self.table.digest(), &self.key)
    }

    /// Whose side of which table [`Auxiliary::seal`] wrote, for whoever does not have the table.
    ///
    /// # Errors
    /// Anything else.
    pub fn read_sealed(bytes: &[u8]) -> Result<(Party, Hash), Malformed> {
        read(bytes, |_| ()).map(|(party, digest, _)| (party, digest))
    }

    /// Puts what [`Auxiliary::seal`] wrote beside its table, whose certificate the caller has checked.
    ///
    /// # Errors
    /// Anything else, or primes that are not those of the table.
    pub fn unseal(bytes: &[u8], table: Arc<Table>) -> Result<Self, Malformed> {
        let (party, digest, [p, q]) =
            read(bytes, |prime| Zeroizing::new(prime.resized(limbs_for(table.suite().prime_bits()))))?;
        let factored = Factored::from_numbers(&p, &q).ok_or(Malformed::Integer)?;
        let is_ours = table.member(party).is_some_and(|member| member.key.number() == factored.number());
        if digest != table.digest() || !is_ours {
            return Err(Malformed::Choice);
        }
        let key = SecretKey::from_factored(factored).ok_or(Malformed::Integer)?;
        Ok(Self { party, key, table })
    }
}

/// Whose side of which table it is, and its primes.
fn read<T>(bytes: &[u8], keep: impl Fn(&Natural) -> T) -> Result<(Party, Hash, [T; 2]), Malformed> {
    let mut reader = Reader::new(bytes);
    let (party, digest) = (reader.party()?, Hash::read(&mut reader)?);
    let mut prime = || Natural::read(&mut reader).map(Zeroizing::new).map(|prime| keep(&prime));
    let primes = [prime()?, prime()?];
    reader.end()?;
    Ok((party, digest, primes))
}

/// The encoding for a sealed store, also of what only waits for its table's certificate.
pub(super) fn seal(party: Party, table: Hash, key: &SecretKey) -> Zeroizing<Vec<u8>> {
    let mut writer = Writer::with_capacity(1024);
    writer.party(party);
    table.write(&mut writer);
    for side in key.factored().sides() {
        side.prime.expose().write(&mut writer);
    }
    writer.finish()
}
