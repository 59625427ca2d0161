//! JSON-RPC 2.0: what comes in, what goes out. Ids and parameters stay the text that they were, so that nothing about them
//! is lost by reading.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::codes;
use crate::refusal::{INVALID_REQUEST, LIMIT_EXCEEDED, PARSE_ERROR, Refusal};

/// The longest name of a method.
const METHOD_MAX: usize = 128;

/// An answer that is never too long: a hash, a number, a signature.
const SHORT: usize = 1024;

/// A body.
pub enum Body {
    /// One request.
    One(Result<Call, Bad>),
    /// Several, each of which is answered for itself.
    Batch(Vec<Result<Call, Bad>>),
}

/// A request.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// Its parameters.
    pub params: Option<Box<RawValue>>,
    /// Its id. `None`: a notification, which is not answered.
    pub id: Option<Box<RawValue>>,
}

/// What is no request, with its id if it has one.
#[derive(Debug)]
pub struct Bad {
    id: Option<Box<RawValue>>,
    refusal: Refusal,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    jsonrpc: Option<Value>,
    #[serde(default)]
    method: Option<Value>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "there")]
    id: Option<Box<RawValue>>,
}

/// An id of `null` is an id.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a body.
///
/// # Errors
/// Not JSON, or a batch that is empty or too long.
pub fn read(body: &[u8], batch_max: usize) -> Result<Body, Refusal> {
    let not_json = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        let what = format!("the body is not JSON, from line {line}, column {column} on");
        Refusal::new(PARSE_ERROR, codes::NOT_JSON, what)
    };
    let whole: Box<RawValue> = serde_json::from_slice(body).map_err(not_json)?;
    if !whole.get().starts_with('[') {
        return Ok(Body::One(call(&whole)));
    }
    let mut reader = serde_json::Deserializer::from_str(whole.get());
    let items = reader.deserialize_seq(Items(batch_max)).map_err(not_json)?;
    match items {
        Some(items) if !items.is_empty() => Ok(Body::Batch(items.iter().map(|item| call(item)).collect())),
        items => {
            let found = if items.is_some() { "none" } else { "more" };
            let what = format!("a batch has 1 to {batch_max} requests, and this one has {found}");
            Err(Refusal::new(INVALID_REQUEST, codes::NOT_A_REQUEST, what))
        }
    }
}

/// At most so many items, or `None`: those behind are passed over, and take no room.
struct Items(usize);

impl<'de> Visitor<'de> for Items {
    type Value = Option<Vec<Box<RawValue>>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            if items.len() == self.0 {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(None);
            }
            items.push(item);
        }
        Ok(Some(items))
    }
}

fn call(raw: &RawValue) -> Result<Call, Bad> {
    let bad = |id, what: &str| Bad { id, refusal: Refusal::new(INVALID_REQUEST, codes::NOT_A_REQUEST, what) };
    // A list would be read as the members in their order.
    let read = raw.get().starts_with('{').then(|| serde_json::from_str::<Raw>(raw.get()));
    let Some(Ok(raw)) = read else {
        return Err(bad(None, "this is not an object whose members are there once"));
    };
    let is_fit = |id: &RawValue| {
        let first = id.get().as_bytes().first().copied().unwrap_or_default();
        first == b'"' || first == b'-' || first.is_ascii_digit() || id.get() == "null"
    };
    if raw.id.as_deref().is_some_and(|id| !is_fit(id)) {
        return Err(bad(None, "`id` is neither a string nor a number"));
    }
    if raw.jsonrpc != Some("2.0".into()) {
        return Err(bad(raw.id, "`jsonrpc` is not \"2.0\""));
    }
    let params = raw.params.filter(|params| params.get() != "null");
    if params.as_deref().is_some_and(|params| !params.get().starts_with(['[', '{'])) {
        return Err(bad(raw.id, "`params` is neither a list nor an object"));
    }
    match raw.method {
        Some(Value::String(method)) if method.len() <= METHOD_MAX => Ok(Call { method, params, id: raw.id }),
        _ => Err(bad(raw.id, "`method` is not a short string")),
    }
}

/// The answer to one request.
#[derive(Serialize)]
pub struct Answer {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Box<RawValue>>,
    id: Option<Box<RawValue>>,
}

impl Answer {
    /// An answer to what has this id.
    pub fn new(id: Option<Box<RawValue>>, outcome: Result<Box<RawValue>, Refusal>, trace: &str) -> Self {
        let (result, error) = match outcome {
            Ok(result) => (Some(result), None),
            Err(refusal) => (None, to_raw_value(&refusal.to_json(trace)).ok()),
        };
        Self { jsonrpc: "2.0", result, error, id }
    }

    /// Itself, if it is short or there is room left for it.
    pub fn within(self, left: &mut usize, trace: &str) -> Self {
        let said = self.result.as_deref().or(self.error.as_deref());
        let length = said.map_or(0, |said| said.get().len());
        if length <= SHORT {
            return self;
        }
        match left.checked_sub(length) {
            Some(rest) => {
                *left = rest;
                self
            }
            None => {
                let what = "the answers to this batch are too long together";
                let help = "ask for less at once: a batch can be split";
                let refusal = Refusal::new(LIMIT_EXCEEDED, codes::TOO_LARGE, what).with("help", help);
                Self::new(self.id, Err(refusal), trace)
            }
        }
    }

    /// An answer to what is no request.
    pub fn to_bad(bad: Bad, trace: &str) -> Self {
        Self::new(bad.id, Err(bad.refusal), trace)
    }
}

/// An answer to a whole body.
pub fn refused(refusal: &Refusal, trace: &str) -> Value {
    json!({ "jsonrpc": "2.0", "error": refusal.to_json(trace), "id": null })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(text: &str) -> Result<Call, Bad> {
        match read(text.as_bytes(), 100).unwrap() {
            Body::One(call) => call,
            Body::Batch(_) => panic!("a batch"),
        }
    }

    #[test]
    fn ids_come_back_as_they_were() {
        for id in ["1", "\"a\\u0062\"", "null", "-7", "1.50", "12345678901234567890123456789012"] {
            let call = one(&format!(r#"{{"jsonrpc":"2.0","method":"m","id":{id}}}"#)).unwrap();
            let answer = Answer::new(call.id, Ok(RawValue::from_string("1".into()).unwrap()), "t");
            let shown = format!(r#"{{"jsonrpc":"2.0","result":1,"id":{id}}}"#);
            assert_eq!(serde_json::to_string(&answer).unwrap(), shown);
        }
        assert!(one(r#"{"jsonrpc":"2.0","method":"m"}"#).unwrap().id.is_none(), "a notification");
    }

    #[test]
    fn what_is_no_request_is_told_with_its_id_where_it_has_one() {
        for (text, id) in [
            ("1", "null"),
            ("\"x\"", "null"),
            ("{}", "null"),
            (r#"{"jsonrpc":"1.0","method":"m","id":7}"#, "7"),
            (r#"{"method":"m","id":7}"#, "7"),
            (r#"{"jsonrpc":"2.0","id":7}"#, "7"),
            (r#"{"jsonrpc":"2.0","method":7,"id":7}"#, "7"),
            (r#"{"jsonrpc":"2.0","method":"m","params":7,"id":7}"#, "7"),
            (r#"{"jsonrpc":"2.0","method":"m","id":{}}"#, "null"),
            (r#"{"jsonrpc":"2.0","method":"m","id":[1]}"#, "null"),
            (r#"{"jsonrpc":"2.0","method":"m","id":true}"#, "null"),
            (r#"{"jsonrpc":"2.0","method":"m","method":"n","id":1}"#, "null"),
        ] {
            let answer = Answer::to_bad(one(text).unwrap_err(), "t");
            let answer: Value = serde_json::to_value(&answer).unwrap();
            assert_eq!(answer["error"]["code"], -32600, "{text}");
            assert_eq!(answer["id"].to_string(), id, "{text}");
        }
    }

    #[test]
    fn a_batch_is_neither_empty_nor_too_long() {
        let of = |count: usize| {
            let items = vec![r#"{"jsonrpc":"2.0","method":"m","id":1}"#; count];
            read(format!(" [{}]", items.join(",")).as_bytes(), 3)
        };
        assert!(matches!(of(3), Ok(Body::Batch(items)) if items.len() == 3));
        for count in [0, 4] {
            assert_eq!(of(count).err().map(|refusal| refusal.number), Some(-32600));
        }
        let Ok(Body::Batch(items)) = read(b"[1,{\"jsonrpc\":\"2.0\",\"method\":\"m\"}]", 3) else { panic!() };
        assert!(items[0].is_err() && items[1].is_ok());
        let Ok(Body::Batch(items)) = read(br#"[["2.0","m",[],7]]"#, 3) else { panic!() };
        let bad = items.into_iter().next().and_then(Result::err).expect("a list is no request");
        assert_eq!((bad.id.is_none(), bad.refusal.number), (true, -32600));
    }

    #[test]
    fn an_error_takes_room_like_an_answer() {
        let error = || {
            let data = Value::from("0".repeat(SHORT));
            Answer::new(None, Err(Refusal::foreign(3, "reverted".into(), Some(data))), "t")
        };
        let mut left = 2 * SHORT;
        let number = |answer: Answer| serde_json::to_value(answer).unwrap()["error"]["code"].clone();
        assert_eq!(number(error().within(&mut left, "t")), 3);
        assert_eq!(number(error().within(&mut left, "t")), LIMIT_EXCEEDED);
    }

    #[test]
    fn what_is_not_json_is_a_parse_error_and_depth_does_no_harm() {
        for text in ["", "{", "[1,", "{\"a\":1}}", "nul", "{'a':1}"] {
            assert_eq!(
                read(text.as_bytes(), 100).err().map(|refusal| refusal.number),
                Some(-32700),
                "{text}"
            );
        }
        let deep = format!(
            r#"{{"jsonrpc":"2.0","method":"m","id":1,"params":{}1{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let _ = read(deep.as_bytes(), 100);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 100);
        }

        #[test]
        fn any_members_are_read_or_refused(
            version in "(\"2\\.0\"|\"1\\.0\"|2|null)", method in "(\"[a-z_]{0,8}\"|1|null|\\[\\])",
            id in "(\"[a-z]{0,3}\"|[0-9]{1,30}|null|\\{\\}|true)", params in "(\\[[0-9]{1,3}\\]|\\{\\}|null|1)",
        ) {
            let text = format!(r#"{{"jsonrpc":{version},"method":{method},"id":{id},"params":{params}}}"#);
            let is_good = version == "\"2.0\"" && method.starts_with('"') && params != "1" && !matches!(&*id, "{}" | "true")
                && (id.starts_with('"') || id == "null" || id == "0" || !id.starts_with('0'));
            match read(text.as_bytes(), 100) {
                Ok(Body::One(call)) => prop_assert_eq!(call.is_ok(), is_good),
                Ok(Body::Batch(_)) => prop_assert!(false),
                // A number with leading zeros is not JSON.
                Err(refusal) => prop_assert_eq!(refusal.number, -32700),
            }
        }
    }
}
