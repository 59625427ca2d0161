//! One message of the engine, encoded, on its way to a coordinator.

use keymoot_engine::message::Message;
use keymoot_engine::words::Wire;
use keymoot_types::SessionId;
use keymoot_wire::mpc::{SessionMessage, session_message::Body};
use keymoot_wire::outbox::Weight;

/// A message that waits to be sent.
pub(crate) struct Parcel {
    engine: Vec<u8>,
    session: Option<SessionId>,
    round: Option<u16>,
    /// Mail of a signing session: it has a second way out.
    pub(crate) is_share: bool,
    pub(crate) weight: Weight,
}

impl Parcel {
    pub(crate) fn new(message: &Message, round: Option<u16>, is_share: bool) -> Self {
        let (session, weight) = match message {
            Message::Mail(mail) => (Some(mail.session), Weight::Session),
            Message::Refused(session, ..) | Message::Ended(session, _) | Message::Complete(session, _) => {
                (Some(*session), Weight::Session)
            }
            Message::Key(_) => (None, Weight::Session),
            _ => (None, Weight::Repeated),
        };
        Self { engine: message.encode().to_vec(), session, round, is_share, weight }
    }

    pub(crate) fn len(&self) -> usize {
        self.engine.len()
    }

    /// The message of the contract.
    pub(crate) fn into_message(self, sequence: u64) -> SessionMessage {
        let session = self.session.map(|session| session.to_string()).unwrap_or_default();
        let round = self.round.map(u32::from);
        SessionMessage {
            sequence,
            body: Some(Body::Engine(self.engine)),
            session,
            round,
            ..Default::default()
        }
    }
}
