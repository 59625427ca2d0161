//! Reads server-sent events.

use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use keymoot_wire::rest::EventView;

use crate::error::ClientError;

/// The longest event that is read.
const EVENT_MAX: usize = 256 << 10;

/// What happens in sessions, as it happens.
pub struct EventStream {
    body: Incoming,
    lines: Lines,
}

impl EventStream {
    pub(crate) fn new(response: Response<Incoming>) -> Self {
        Self { body: response.into_body(), lines: Lines::default() }
    }

    /// The next event; `None` when the service ends the stream, which it does after a while. Then ask for a
    /// new one.
    ///
    /// # Errors
    /// The connection broke, or what comes is not an event.
    pub async fn next(&mut self) -> Result<Option<EventView>, ClientError> {
        loop {
            if let Some(data) = self.lines.next() {
                return serde_json::from_str(&data).map(Some).map_err(ClientError::Unreadable);
            }
            if self.lines.bytes.len() > EVENT_MAX {
                return Err(ClientError::Odd(200));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(ClientError::Broken(error)),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.lines.bytes.extend_from_slice(bytes);
                    }
                }
            }
        }
    }
}

/// Bytes that have come, up to the end of an event.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// The data of the next whole event that has any. Comments, names and ids are passed over: all is in the
    /// data.
    fn next(&mut self) -> Option<String> {
        loop {
            let end = self.bytes.windows(2).position(|pair| pair == b"\n\n")?;
            let event: Vec<u8> = self.bytes.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&event);
            let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data:")).collect();
            if !data.is_empty() {
                let data = data.iter().map(|line| line.strip_prefix(' ').unwrap_or(line));
                return Some(data.collect::<Vec<_>>().join("\n"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_cut_out_of_whatever_pieces_come() {
        let mut lines = Lines::default();
        let stream = ": alive\n\nevent: round\nid: 1\ndata: {\"a\":1}\n\ndata:x\ndata: y\n\ndata: half";
        let mut events = Vec::new();
        for piece in stream.as_bytes().chunks(3) {
            lines.bytes.extend_from_slice(piece);
            events.extend(std::iter::from_fn(|| lines.next()));
        }
        assert_eq!(events, ["{\"a\":1}", "x\ny"]);
        assert_eq!(lines.bytes, b"data: half");
    }
}
