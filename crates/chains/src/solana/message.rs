//! The encoding of messages: a header, accounts, a block hash, instructions. Lengths are one to three bytes of seven bits.

use super::Fault;

/// The most accounts that a message can number.
const ACCOUNTS_MAX: usize = 256;

/// A message whose numbers all point to something.
pub(super) struct Message<'a> {
    /// `None`: legacy.
    pub version: Option<u8>,
    signers: usize,
    pub accounts: Vec<[u8; 32]>,
    pub blockhash: &'a [u8; 32],
    pub instructions: Vec<Instruction<'a>>,
}

/// One instruction. All places are of accounts that are there.
pub(super) struct Instruction<'a> {
    pub program: u8,
    pub accounts: &'a [u8],
    pub input: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads all bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut rest = Rest(bytes);
        let first = rest.byte()?;
        let (version, signers) = match first {
            0..0x80 => (None, first),
            0x80 => (Some(0), rest.byte()?),
            later => return Err(Fault::Version(later & 0x7f)),
        };
        let (readonly_signers, readonly_others) = (rest.byte()?, rest.byte()?);
        let accounts = rest.list(Rest::account)?;
        let blockhash = rest.array()?;
        let instructions = rest.list(|rest| {
            let program = rest.byte()?;
            Ok(Instruction { program, accounts: rest.bytes()?, input: rest.bytes()? })
        })?;
        if version.is_some() && rest.length()? != 0 {
            return Err(Fault::Lookups);
        }
        if !rest.0.is_empty() {
            return Err(Fault::NotAMessage);
        }
        let signers = usize::from(signers);
        let message = Self { version, signers, accounts, blockhash, instructions };
        message.check(usize::from(readonly_signers), usize::from(readonly_others))?;
        Ok(message)
    }

    fn check(&self, readonly_signers: usize, readonly_others: usize) -> Result<(), Fault> {
        let count = self.accounts.len();
        // The first signer pays, so it can be written to.
        let is_right = count <= ACCOUNTS_MAX
            && readonly_signers < self.signers
            && self.signers.saturating_add(readonly_others) <= count
            && self.instructions.iter().all(|one| {
                let is_there = |place: u8| usize::from(place) < count;
                one.program != 0 && is_there(one.program) && one.accounts.iter().copied().all(is_there)
            });
        if !is_right {
            return Err(Fault::Accounts);
        }
        let mut sorted = self.accounts.clone();
        sorted.sort_unstable();
        if sorted.iter().zip(sorted.iter().skip(1)).any(|(one, next)| one == next) {
            return Err(Fault::Repeated);
        }
        Ok(())
    }

    /// Whose signatures are needed.
    pub fn signers(&self) -> &[[u8; 32]] {
        self.accounts.get(..self.signers).unwrap_or_default()
    }

    /// The account at a place.
    pub fn account(&self, place: u8) -> Option<&[u8; 32]> {
        self.accounts.get(usize::from(place))
    }
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Fault> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Fault::NotAMessage)?;
        self.0 = rest;
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.array::<1>().map(|[byte]| *byte)
    }

    fn account(&mut self) -> Result<[u8; 32], Fault> {
        self.array().copied()
    }

    /// At most 2¹⁶ − 1, in as few bytes as it takes.
    fn length(&mut self) -> Result<usize, Fault> {
        let mut length = 0u32;
        for place in 0..3u32 {
            let byte = self.byte()?;
            length |= u32::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                let is_short = byte == 0 && place > 0;
                let fits = u16::try_from(length).map_err(|_| Fault::NotAMessage)?;
                return if is_short { Err(Fault::NotAMessage) } else { Ok(usize::from(fits)) };
            }
        }
        Err(Fault::NotAMessage)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.length()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Fault::NotAMessage)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Grows as it reads: the length alone reserves nothing.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let length = self.length()?;
        (0..length).map(|_| one(self)).collect()
    }
}

/// A length, as messages and transactions write it.
pub(super) fn compact(length: usize) -> Vec<u8> {
    let (mut rest, mut bytes) = (length, Vec::new());
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
