//! Transactions written by another RLP library, and calldata by hand: what the product reads is written here.

use rlp::RlpStream;

/// All fields that any type has. Integers are 64 bits wide, which is enough to see each field in its place.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub kind: u8,
    pub chain: Option<u64>,
    pub nonce: u64,
    pub tip: u64,
    pub price: u64,
    pub gas: u64,
    pub to: Option<[u8; 20]>,
    pub value: u64,
    pub calldata: Vec<u8>,
    pub access: Vec<([u8; 20], Vec<[u8; 32]>)>,
    pub blob_price: u64,
    pub blobs: Vec<[u8; 32]>,
    pub authorisations: Vec<Authorisation>,
}

#[derive(Clone, Debug)]
pub struct Authorisation {
    pub chain: u64,
    pub delegate: [u8; 20],
    pub nonce: u64,
    pub parity: bool,
    pub r: Vec<u8>,
    pub s: Vec<u8>,
}

pub fn plain(kind: u8) -> Transaction {
    Transaction {
        kind,
        chain: Some(1),
        nonce: 9,
        tip: 2,
        price: 20,
        gas: 21_000,
        to: Some([0x35; 20]),
        value: 1,
        calldata: Vec::new(),
        access: Vec::new(),
        blob_price: 3,
        blobs: if kind == 3 { vec![[1; 32]] } else { Vec::new() },
        authorisations: Vec::new(),
    }
}

/// The signature's place at the end of a transaction.
pub enum Seal<'a> {
    Unsigned,
    Signed { parity: bool, r: &'a [u8], s: &'a [u8] },
}

impl Transaction {
    pub fn signing(&self) -> Vec<u8> {
        self.encode(&Seal::Unsigned)
    }

    pub fn encode(&self, seal: &Seal<'_>) -> Vec<u8> {
        let mut stream = RlpStream::new();
        stream.begin_unbounded_list();
        self.fields(&mut stream);
        match seal {
            Seal::Unsigned => {
                if let (0, Some(chain)) = (self.kind, self.chain) {
                    stream.append(&chain).append(&0u8).append(&0u8);
                }
            }
            Seal::Signed { parity, r, s } => {
                let v = match (self.kind, self.chain) {
                    (0, Some(chain)) => 35 + 2 * chain + u64::from(*parity),
                    (0, None) => 27 + u64::from(*parity),
                    _ => u64::from(*parity),
                };
                stream.append(&v).append(&minimal(r)).append(&minimal(s));
            }
        }
        stream.finalize_unbounded_list();
        let mut bytes = if self.kind == 0 { Vec::new() } else { vec![self.kind] };
        bytes.extend_from_slice(&stream.out());
        bytes
    }

    fn fields(&self, stream: &mut RlpStream) {
        if self.kind > 0 {
            stream.append(&self.chain.unwrap());
        }
        stream.append(&self.nonce);
        if self.kind > 1 {
            stream.append(&self.tip);
        }
        stream.append(&self.price).append(&self.gas);
        stream.append(&self.to.map(|to| to.to_vec()).unwrap_or_default());
        stream.append(&self.value).append(&self.calldata);
        if self.kind > 0 {
            stream.begin_list(self.access.len());
            for (address, slots) in &self.access {
                stream.begin_list(2).append(&address.to_vec()).begin_list(slots.len());
                slots.iter().for_each(|slot| {
                    stream.append(&slot.to_vec());
                });
            }
        }
        if self.kind == 3 {
            stream.append(&self.blob_price).begin_list(self.blobs.len());
            self.blobs.iter().for_each(|blob| {
                stream.append(&blob.to_vec());
            });
        }
        if self.kind == 4 {
            stream.begin_list(self.authorisations.len());
            for one in &self.authorisations {
                stream.begin_list(6).append(&one.chain).append(&one.delegate.to_vec()).append(&one.nonce);
                stream.append(&u8::from(one.parity)).append(&minimal(&one.r)).append(&minimal(&one.s));
            }
        }
    }
}

impl Authorisation {
    /// What its account signs: 0x05 ‖ rlp([chain, address, nonce]).
    pub fn signing(chain: u64, delegate: [u8; 20], nonce: u64) -> Vec<u8> {
        let mut stream = RlpStream::new_list(3);
        stream.append(&chain).append(&delegate.to_vec()).append(&nonce);
        [&[5u8], stream.out().as_ref()].concat()
    }
}

fn minimal(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// One argument of a call.
#[derive(Clone, Debug)]
pub enum Word {
    Address([u8; 20]),
    Uint(u128),
    Max,
    Bool(bool),
    Bytes(Vec<u8>),
    List(Vec<Word>),
    Tuple(Vec<Word>),
}

impl Word {
    fn is_dynamic(&self) -> bool {
        match self {
            Self::Bytes(_) | Self::List(_) => true,
            Self::Tuple(words) => words.iter().any(Self::is_dynamic),
            _ => false,
        }
    }

    fn tail(&self) -> Vec<u8> {
        match self {
            Self::Address(address) => [&[0; 12], address.as_slice()].concat(),
            Self::Uint(number) => [&[0; 16], number.to_be_bytes().as_slice()].concat(),
            Self::Max => vec![0xff; 32],
            Self::Bool(bit) => Self::Uint(u128::from(*bit)).tail(),
            Self::Bytes(bytes) => {
                let mut out = Self::Uint(bytes.len() as u128).tail();
                out.extend_from_slice(bytes);
                out.resize(32 + bytes.len().div_ceil(32) * 32, 0);
                out
            }
            Self::List(words) => [Self::Uint(words.len() as u128).tail(), sequence(words)].concat(),
            Self::Tuple(words) => sequence(words),
        }
    }
}

/// Heads, with offsets for what is dynamic, and then the tails.
pub fn sequence(words: &[Word]) -> Vec<u8> {
    let head = |word: &Word| if word.is_dynamic() { 32 } else { word.tail().len() };
    let mut offset: usize = words.iter().map(head).sum();
    let (mut heads, mut tails) = (Vec::new(), Vec::new());
    for word in words {
        let tail = word.tail();
        if word.is_dynamic() {
            heads.extend(Word::Uint(offset as u128).tail());
            offset += tail.len();
            tails.extend(tail);
        } else {
            heads.extend(tail);
        }
    }
    [heads, tails].concat()
}

/// Calldata: the four bytes of a signature such as `transfer(address,uint256)`, and its arguments.
pub fn call(signature: &str, words: &[Word]) -> Vec<u8> {
    [&super::keccak(signature.as_bytes())[..4], &sequence(words)].concat()
}

/// One entry of a Safe's `multiSend`.
pub fn packed(operation: u8, to: [u8; 20], value: u128, calldata: &[u8]) -> Vec<u8> {
    let number = |number: u128| Word::Uint(number).tail();
    [&[operation], to.as_slice(), &number(value), &number(calldata.len() as u128), calldata].concat()
}
