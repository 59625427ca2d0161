//! Messages as bytes: canonical, and bounded in every part. What is longer than its bound is nothing that an honest
//! process says.

use keymoot_protocol::codec::{Malformed, Reader, Wire, Writer};
use keymoot_protocol::envelope::ENVELOPE_MAX;
use keymoot_protocol::identity::IdentitySignature;
use keymoot_protocol::transcript::Hash;
use keymoot_types::{KeyId, PARTIES_MAX, Party, SessionId};

use super::{
    Answer, Complete, Ended, Invite, MESSAGE_MAX, Message, Moduli, OFFER_MAX, OFFERED_MAX, SETUPS_MAX,
    SessionMail, Stock, TABLES_MAX, UNNAMED_MAX, What, Words,
};
use crate::outcome::{Outcome, RESULT_MAX};
use crate::refusal::Refusal;
use crate::request::{REQUEST_MAX, RequestId};
use crate::words::text;

/// The longest text of a witness, in bytes.
const TEXT_MAX: usize = 1 << 16;

/// The longest reason that a client is told, in bytes.
const REASON_MAX: usize = 1024;

impl Wire for Message {
    fn write(&self, writer: &mut Writer) {
        writer.uint(self.number());
        match self {
            Self::Ask(bytes) | Self::Key(bytes) | Self::Table(bytes) => writer.bytes(bytes),
            Self::Answer(request, answer) => {
                request.0.write(writer);
                answer.write(writer);
            }
            Self::Invite(invite) => invite.write(writer),
            Self::Cancel(session) => writer.bytes(session.as_bytes()),
            Self::Mail(mail) => mail.write(writer),
            Self::Refused(session, refusal, word) => {
                writer.bytes(session.as_bytes());
                refusal.write(writer);
                writer.option(word.as_ref(), |writer, word| writer.bytes(&word.0));
            }
            Self::Ended(session, ended) => {
                writer.bytes(session.as_bytes());
                ended.write(writer);
            }
            Self::Complete(session, complete) => {
                writer.bytes(session.as_bytes());
                complete.write(writer);
            }
            Self::StockQuery(key) | Self::TableQuery(key) => key.write(writer),
            Self::Moduli(moduli) => moduli.write(writer),
            Self::Stock(stock) => stock.write(writer),
            Self::KeyQuery(key) => writer.bytes(key.as_bytes()),
            Self::Beat => {}
            Self::Witness { from, to, words } => {
                writer.party(*from);
                writer.party(*to);
                words.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.uint()? {
            0 => Self::Ask(reader.bytes(REQUEST_MAX)?.to_vec()),
            1 => Self::Answer(RequestId(Hash::read(reader)?), Answer::read(reader)?),
            2 => Self::Invite(Invite::read(reader)?),
            3 => Self::Cancel(session(reader)?),
            4 => Self::Mail(SessionMail::read(reader)?),
            5 => Self::Refused(session(reader)?, Refusal::read(reader)?, reader.option(word)?),
            6 => Self::Ended(session(reader)?, Ended::read(reader)?),
            7 => Self::Complete(session(reader)?, Complete::read(reader)?),
            8 => Self::StockQuery(Hash::read(reader)?),
            9 => Self::Stock(Stock::read(reader)?),
            10 => Self::KeyQuery(KeyId::new(reader.fixed()?)),
            11 => Self::Key(reader.bytes(RESULT_MAX)?.to_vec()),
            12 => Self::Beat,
            13 => Self::Witness { from: reader.party()?, to: reader.party()?, words: Words::read(reader)? },
            14 => Self::Moduli(Moduli::read(reader)?),
            15 => Self::TableQuery(Hash::read(reader)?),
            16 => Self::Table(reader.bytes(RESULT_MAX)?.to_vec()),
            _ => return Err(Malformed::Choice),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MESSAGE_MAX {
            return Err(Malformed::WrongLength);
        }
        let mut reader = Reader::new(bytes);
        let message = Self::read(&mut reader)?;
        reader.end().map(|()| message)
    }
}

impl Message {
    /// Its number in the encoding.
    const fn number(&self) -> u64 {
        match self {
            Self::Ask(_) => 0,
            Self::Answer(..) => 1,
            Self::Invite(_) => 2,
            Self::Cancel(_) => 3,
            Self::Mail(_) => 4,
            Self::Refused(..) => 5,
            Self::Ended(..) => 6,
            Self::Complete(..) => 7,
            Self::StockQuery(_) => 8,
            Self::Stock(_) => 9,
            Self::KeyQuery(_) => 10,
            Self::Key(_) => 11,
            Self::Beat => 12,
            Self::Witness { .. } => 13,
            Self::Moduli(_) => 14,
            Self::TableQuery(_) => 15,
            Self::Table(_) => 16,
        }
    }
}

impl Wire for Words {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Checkpoint(text) => {
                writer.uint(0);
                writer.bytes(text.as_bytes());
            }
            Self::Cosigned(text) => {
                writer.uint(1);
                writer.bytes(text.as_bytes());
            }
            Self::Recall => writer.uint(2),
            Self::Behind(note) => {
                writer.uint(3);
                writer.option(note.as_ref(), |writer, note| writer.bytes(note.as_bytes()));
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.uint()? {
            0 => Self::Checkpoint(text(reader, TEXT_MAX)?),
            1 => Self::Cosigned(text(reader, TEXT_MAX)?),
            2 => Self::Recall,
            3 => Self::Behind(reader.option(|reader| text(reader, TEXT_MAX))?),
            _ => return Err(Malformed::Choice),
        })
    }
}

impl Wire for Invite {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self.session.as_bytes());
        self.what.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { session: session(reader)?, what: What::read(reader)? })
    }
}

impl Wire for What {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Keygen { request, attempt } => {
                writer.uint(0);
                writer.bytes(request);
                writer.uint(u64::from(*attempt));
            }
            Self::Setup { members } => {
                writer.uint(1);
                write_parties(writer, members);
            }
            Self::Presign { key, signers, setup, size } => {
                writer.uint(2);
                key.write(writer);
                write_parties(writer, signers);
                setup.write(writer);
                writer.uint(u64::from(*size));
            }
            Self::Sign { request, signers, presignature } => {
                writer.uint(3);
                writer.bytes(request);
                write_parties(writer, signers);
                writer.option(presignature.as_ref(), |writer, name| name.write(writer));
            }
            Self::Retire { request } => {
                writer.uint(4);
                writer.bytes(request);
            }
            Self::Moduli => writer.uint(5),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.uint()? {
            0 => Self::Keygen { request: reader.bytes(REQUEST_MAX)?.to_vec(), attempt: short(reader)? },
            1 => Self::Setup { members: parties(reader)? },
            2 => Self::Presign {
                key: Hash::read(reader)?,
                signers: parties(reader)?,
                setup: Hash::read(reader)?,
                size: short(reader)?,
            },
            3 => Self::Sign {
                request: reader.bytes(REQUEST_MAX)?.to_vec(),
                signers: parties(reader)?,
                presignature: reader.option(Hash::read)?,
            },
            4 => Self::Retire { request: reader.bytes(REQUEST_MAX)?.to_vec() },
            5 => Self::Moduli,
            _ => return Err(Malformed::Choice),
        })
    }
}

impl Wire for SessionMail {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self.session.as_bytes());
        writer.option(self.to, Writer::party);
        writer.bytes(&self.bytes);
        writer.option(self.released.as_ref(), |writer, word| writer.bytes(&word.0));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            session: session(reader)?,
            to: reader.option(Reader::party)?,
            bytes: reader.bytes(ENVELOPE_MAX)?.to_vec(),
            released: reader.option(word)?,
        })
    }
}

impl Wire for Ended {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Benign => writer.uint(0),
            Self::Late(parties) => {
                writer.uint(1);
                write_parties(writer, parties);
            }
            Self::Blamed(parties) => {
                writer.uint(2);
                write_parties(writer, parties);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.uint()? {
            0 => Self::Benign,
            1 => Self::Late(parties(reader)?),
            2 => Self::Blamed(parties(reader)?),
            _ => return Err(Malformed::Choice),
        })
    }
}

impl Wire for Complete {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Key(package) => {
                writer.uint(0);
                writer.bytes(package);
            }
            Self::Setup(name) => {
                writer.uint(1);
                name.write(writer);
            }
            Self::Presigned(stock) => {
                writer.uint(2);
                stock.write(writer);
            }
            Self::Retired { request, word } => {
                writer.uint(3);
                request.0.write(writer);
                writer.bytes(&word.0);
            }
            Self::Moduli(name) => {
                writer.uint(4);
                name.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.uint()? {
            0 => Self::Key(reader.bytes(RESULT_MAX)?.to_vec()),
            1 => Self::Setup(Hash::read(reader)?),
            2 => Self::Presigned(Stock::read(reader)?),
            3 => Self::Retired { request: RequestId(Hash::read(reader)?), word: word(reader)? },
            4 => Self::Moduli(Hash::read(reader)?),
            _ => return Err(Malformed::Choice),
        })
    }
}

impl Wire for Stock {
    fn write(&self, writer: &mut Writer) {
        self.key.write(writer);
        writer.list(self.setups.iter(), |writer, name| name.write(writer));
        writer.list(self.presignatures.iter(), |writer, public| writer.bytes(public));
        writer.list(self.unnamed.iter(), |writer, (signers, count)| {
            writer.list(signers.iter(), |writer, signer| writer.party(*signer));
            writer.uint(*count);
        });
        writer.uint(u64::from(self.is_retired));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            key: Hash::read(reader)?,
            setups: reader.list(SETUPS_MAX, Hash::read)?,
            presignatures: reader.list(OFFERED_MAX, |reader| reader.bytes(OFFER_MAX).map(<[u8]>::to_vec))?,
            unnamed: reader.list(UNNAMED_MAX, |reader| {
                Ok((reader.list(usize::from(PARTIES_MAX), Reader::party)?, reader.uint()?))
            })?,
            is_retired: yes_or_no(reader)?,
        })
    }
}

impl Wire for Moduli {
    fn write(&self, writer: &mut Writer) {
        writer.list(self.tables.iter(), |writer, name| name.write(writer));
        writer.uint(u64::from(self.primes));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { tables: reader.list(TABLES_MAX, Hash::read)?, primes: short(reader)? })
    }
}

impl Wire for Answer {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Pending => writer.uint(0),
            Self::Busy(milliseconds) => {
                writer.uint(1);
                writer.uint(*milliseconds);
            }
            Self::Refused(why) => {
                writer.uint(2);
                writer.bytes(why.as_bytes());
            }
            Self::Final(outcome) => {
                writer.uint(3);
                outcome.write(writer);
            }
            Self::Conflict => writer.uint(4),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.uint()? {
            0 => Self::Pending,
            1 => Self::Busy(reader.uint()?),
            2 => Self::Refused(text(reader, REASON_MAX)?),
            3 => Self::Final(Outcome::read(reader)?),
            4 => Self::Conflict,
            _ => return Err(Malformed::Choice),
        })
    }
}

fn yes_or_no(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.uint()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::Choice),
    }
}

fn session(reader: &mut Reader<'_>) -> Result<SessionId, Malformed> {
    reader.fixed().map(SessionId::new)
}

fn word(reader: &mut Reader<'_>) -> Result<IdentitySignature, Malformed> {
    reader.fixed().map(IdentitySignature)
}

fn short(reader: &mut Reader<'_>) -> Result<u16, Malformed> {
    u16::try_from(reader.uint()?).map_err(|_| Malformed::Integer)
}

fn write_parties(writer: &mut Writer, parties: &[Party]) {
    writer.list(parties.iter(), |writer, party| writer.party(*party));
}

/// Some members, in any order: whether they are what they have to be is not a question of encoding.
fn parties(reader: &mut Reader<'_>) -> Result<Vec<Party>, Malformed> {
    reader.list(usize::from(PARTIES_MAX), Reader::party)
}
