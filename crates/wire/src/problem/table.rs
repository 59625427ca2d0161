//! All codes: for each its text, its statuses, what it means and what to do. `keymoot explain` prints them.

/// Declares the codes, and everything about each in one row.
macro_rules! codes {
    ($(
        $name:ident = $code:literal, $status:literal, $grpc:ident, $title:literal, $why:literal, $help:literal;
    )*) => {
        /// A stable code for one kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!($code, ": ", $title, ".")] $name,)*
        }

        impl Code {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As people search for it, as in "E2104".
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What is wrong, as a lower-case clause.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The HTTP status of a problem with this code.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The gRPC code of a status with this code.
            #[must_use]
            pub const fn grpc(self) -> tonic::Code {
                match self { $(Self::$name => tonic::Code::$grpc,)* }
            }

            /// What it means, and what did not happen: one paragraph.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => $why,)* }
            }

            /// What to do.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }
        }
    };
}

codes! {
    InvalidRequest = "E2001", 422, InvalidArgument,
        "the request is not valid",
        "Something in the request has a value that it cannot have. The detail names it. Nothing was begun.",
        "Correct the value that the detail names, and send a new request with a new nonce.";
    MalformedBody = "E2002", 400, InvalidArgument,
        "the body is not JSON",
        "The body could not be read as JSON text in UTF-8. Nothing was begun.",
        "Send a JSON object; the detail says where reading stopped.";
    UnsupportedMedia = "E2003", 415, InvalidArgument,
        "the body has another media type",
        "Bodies are JSON, and the header Content-Type has to say so. Nothing was begun.",
        "Send the header `Content-Type: application/json`.";
    BodyTooLarge = "E2004", 413, InvalidArgument,
        "the body is too large",
        "A body is read up to a limit of a little over two mebibytes, or less if the gateway's `body_bytes` says so, and \
         the payload in it has one mebibyte at most. Yours is longer. Nothing was begun.",
        "Send less at once: a batch may be split, and a long message may be hashed by its chain's rules.";
    UnexpectedBody = "E2005", 422, InvalidArgument,
        "the body has another shape",
        "The body is JSON, but a field is missing, is unknown, or has another type. Unknown fields are \
         refused, since a field with a typing error must not be taken for absent. Nothing was begun.",
        "The detail names the field and where it stands. Correct it by the schema at /openapi.json of the \
         gateway; a signature takes `key`, `path`, `kind` and `payload` in hex. If a keymoot client made the \
         body, client and gateway are of different releases: `keymoot doctor` lists their versions.";
    MethodNotAllowed = "E2006", 405, Unimplemented,
        "the path has no such method",
        "The path exists, but not with this method. The header Allow of the answer lists those that it has.",
        "Use a method of the header Allow.";
    BadQuery = "E2007", 400, InvalidArgument,
        "a parameter of the query is not valid",
        "A parameter behind the question mark of the address, or the header Prefer, has a value that it \
         cannot have, or is not known here. The detail names it.",
        "Correct or leave out what the detail names.";
    BadCursor = "E2008", 400, InvalidArgument,
        "the cursor is not one of ours",
        "A cursor is the text that an answer before gave as next_cursor. It means nothing elsewhere and \
         cannot be made up.",
        "Take next_cursor as it was given, or begin again without a cursor.";
    NotForThisKey = "E2009", 422, FailedPrecondition,
        "the key cannot do this",
        "What was asked does not exist for the scheme of this key: an Ed25519 key has no derivation paths \
         and no extended public key, for example.",
        "Choose a key of a scheme that has it; the key's scheme is in GET /v1/keys/{key}.";
    IdempotencyMismatch = "E2010", 400, InvalidArgument,
        "Idempotency-Key is not the nonce",
        "The nonce of a signed request is its idempotency key. The header Idempotency-Key may repeat it, \
         and nothing else. Nothing was begun.",
        "Leave the header out, or set it to the nonce in Signature-Input.";
    BadPath = "E2011", 422, InvalidArgument,
        "the derivation path is not valid",
        "Paths have the form m/0/7 with steps below 2^31. Hardened steps need the whole private key in one \
         place, and no place has it.",
        "Use a path without hardened steps, or m for the key itself.";
    BadHeader = "E2012", 400, InvalidArgument,
        "a header is not valid",
        "A header that is needed to read the request is missing, is there twice, or is not of its form. The \
         detail names it. Nothing was begun.",
        "Correct the header that the detail names.";
    Denied = "E2101", 403, PermissionDenied,
        "the nodes refuse",
        "So many nodes refuse that no quorum is left. Each of them gives its own signed reason: its policy, \
         the payload, or the key, which may be retired. There is no signature, and there will be none for this \
         request.",
        "The reasons of the nodes are in the message and in `denials`. If the key is retired, take another: \
         `keymoot key list` shows those in use. If the policy forbids it, or the role is too low, see the \
         cluster document or its administrators. Then ask anew; the same request stays denied.";
    TimeRanOut = "E2102", 504, DeadlineExceeded,
        "the time of the request ran out",
        "The request was valid until its own time `expires`, and was not finished by then. No node takes \
         part in it any more. There is no signature.",
        "See with `keymoot node list` whether enough nodes are there, then sign a new request.";
    AttemptsUsedUp = "E2103", 502, Aborted,
        "every attempt failed",
        "The session was tried again with other signers as often as is reasonable, and failed each time. \
         Each failed session is dead with all that it used. There is no signature.",
        "See `reason` and `culprits` of the request; when the cause is gone, sign a new request.";
    NotEnoughSigners = "E2104", 503, Unavailable,
        "not enough signers",
        "Fewer nodes are reachable than are needed to sign. The request is not signed and no presignature \
         is used. It stays pending until it expires, and is signed if nodes come back before that.",
        "Start nodes until as many as needed are there, then send the same request again; it is idempotent.";
    CheatersNamed = "E2105", 502, Aborted,
        "nodes broke the protocol",
        "A session ended with proof that certain nodes broke the protocol. They are named in `culprits`. There is no \
         signature and no key of this request. With dkls23 honest nodes do not work with a node again that has failed a check \
         which depends on their secrets, until a person lifts that. In all other cases, and always with gg20, nobody is banned: \
         the honest nodes keep what the culprit has signed, which shows it to anybody, in their journals.",
        "Look at the named nodes before you do anything else: their machine or their software is not to be \
         trusted. The nodes' logs say `a member has broken the protocol`, with the session and the fault. Then ask anew: a new \
         request is tried with others first.";
    KeyRetired = "E2106", 409, FailedPrecondition,
        "the key is retired",
        "The key was retired by a signed request: so many nodes have buried it that no quorum signs with it \
         any more. This cannot be undone.",
        "Use another key, or create a new one with POST /v1/keys.";
    PayloadRefused = "E2107", 422, InvalidArgument,
        "the payload cannot be signed",
        "Each node reads the payload itself, and it is not what its kind says: it cannot be decoded, or \
         asks for something that is never signed. There is no signature.",
        "Check the payload and its kind; `raw_digest` is refused on purpose.";
    ModuliMissing = "E2108", 503, Unavailable,
        "the moduli of the committee are not made yet",
        "A key of gg20 signs with moduli that all nodes make together, once for all keys: each node looks for four safe \
         primes, some 20 seconds of one core and sometimes minutes, and a session of all of them follows. A restart does not \
         cost them. Until they are there nothing is signed and no presignature is used. A pending request is signed as soon \
         as they are made, if that is within three minutes; one that has failed had waited for so long.",
        "The message says how far each node is. `keymoot node list` shows it again, and `keymoot sign --wait 180` waits. A node \
         that does not say that it serves gg20 needs `gg20` among `schemes` in its configuration; one that is not reachable has \
         to come back, since the moduli need all nodes. If `culprits` names a node, it has spoiled them: look at that \
         one. To have a signature now, use a key of dkls23.";
    SchemeNotServed = "E2109", 403, PermissionDenied,
        "nodes do not serve the scheme",
        "Each node serves the schemes that its operator lists under `schemes`, and gg20 is none of those that it serves by \
         itself. A key needs all nodes, a signature as many as the key says; too few of them serve this scheme. Those that \
         do not are in `denials`, with their signed words. Nothing was made and nothing was signed.",
        "Have `gg20` listed in the configuration of each node that `denials` names (`schemes`, or KEYMOOT_SCHEMES), and start \
         these nodes again; then ask anew. Or ask for a key of dkls23, whose signatures are of the same kind.";
    CertificateMissing = "E3001", 401, Unauthenticated,
        "no client certificate",
        "This service needs a client certificate in the TLS handshake, and none was presented.",
        "Connect with the certificate and key that the cluster's authority issued to you.";
    CertificateRefused = "E3002", 401, Unauthenticated,
        "the client certificate is refused",
        "The certificate is not of this cluster, is not pinned in the cluster document, is revoked, or is \
         not in its period of validity. The log of the service names the reason.",
        "Ask the cluster's authority for a certificate, and check the clock of this machine.";
    TokenMissing = "E3003", 401, Unauthenticated,
        "no token",
        "A client certificate alone is not enough: every call carries a token in the header Authorization, \
         and this one did not.",
        "Get a token with POST /v1/tokens, and send it as `Authorization: Bearer …`.";
    TokenRefused = "E3004", 401, Unauthenticated,
        "the token is refused",
        "The token cannot be read, has an algorithm that is not allowed, was not signed by an issuer of \
         this cluster, or is for another audience or subject. The detail says which.",
        "Get a new token with POST /v1/tokens, or from the issuer that the cluster document names.";
    TokenExpired = "E3005", 401, Unauthenticated,
        "the token is out of its time",
        "Tokens live for at most 15 minutes. This one has expired, is not valid yet, or was issued for \
         longer than that.",
        "Get a new token, and check the clock of this machine.";
    TokenBoundElsewhere = "E3006", 401, Unauthenticated,
        "the token is bound to another certificate",
        "A token holds the digest of the certificate that it was issued to (RFC 8705), and this connection \
         has another one. A stolen token is worth nothing.",
        "Use the token on connections with the certificate that it was issued for, or get a new one after a \
         certificate was renewed.";
    RequestUnsigned = "E3007", 401, Unauthenticated,
        "the request is not signed",
        "Whoever asks for a key or a signature signs the request itself (RFC 9421), since no node believes \
         anybody else about it. The headers Content-Digest, Signature-Input and Signature have to be there.",
        "Sign the request with a key that is enrolled in the cluster document; the client library does it.";
    RequestSignatureRefused = "E3008", 401, Unauthenticated,
        "the signature of the request is refused",
        "The headers of the signature are not of the form that this cluster reads, the digest is not that \
         of the body, or the signature does not verify with the enrolled key. Nothing was begun.",
        "Compare method, path and body with what was signed. The tag has to name this cluster's group.";
    RequestOutOfTime = "E3009", 401, Unauthenticated,
        "the signed request is out of its time",
        "A signed request says when it was made and until when it is valid, at most 15 minutes later. This \
         one is over, or is from the future.",
        "Check the clock of this machine, and sign a new request.";
    ClientUnknown = "E3010", 401, Unauthenticated,
        "the client is not enrolled",
        "The cluster document has no client of this name or with this key. Every node goes by that \
         document, so nobody else can let you in.",
        "Have the cluster's authority enrol the client in the cluster document.";
    RoleTooLow = "E3101", 403, PermissionDenied,
        "the role does not allow this",
        "Each endpoint needs a role: viewer, requester, operator or admin, each of which includes those \
         before. Yours in the cluster document is lower.",
        "Ask somebody with that role, or have yours changed in the cluster document.";
    WrongPeer = "E3102", 403, PermissionDenied,
        "the certificate is of another kind of process",
        "Nodes, coordinators, gateways and clients have different doors, and a process speaks only for \
         itself. The certificate of this connection has no right to this door.",
        "Use the certificate of the process or client that this call is for.";
    SomebodyElsesRequest = "E3103", 403, PermissionDenied,
        "the request was signed by somebody else",
        "Token and signature of a request name two different clients. A request is sent by the one who \
         signed it; only batches carry requests of others.",
        "Send the request with the token of the client that signed it, or as an item of a batch.";
    NoSuchPath = "E4001", 404, NotFound,
        "there is nothing at this path",
        "The interface has no such path. All paths are in /openapi.json, and those of this version begin \
         with /v1.",
        "Compare the path with /docs.";
    NoSuchKey = "E4002", 404, NotFound,
        "there is no such key",
        "No key of this cluster has this id or name; upper and lower case differ. Nothing was begun.",
        "`keymoot key list`, or GET /v1/keys, shows the keys. If the key should be there, look whether the \
         right cluster is asked: `keymoot context list`.";
    NoSuchRequest = "E4003", 404, NotFound,
        "there is no such request",
        "No request has this id, or it is of another kind than this path shows.",
        "Look for it with `keymoot request list --status any`, or GET /v1/requests; ids begin with req_.";
    NoSuchSession = "E4004", 404, NotFound,
        "there is no such session",
        "No session of this id is in progress. A session that has ended is gone; what came of it stands in \
         its request.",
        "Look at the request with GET /v1/requests/{id}.";
    NothingThere = "E4005", 404, NotFound,
        "there is no such thing",
        "What was asked for by its id does not exist in this cluster, or exists no more. Nothing was begun.",
        "Check the id, and that it is one of this cluster.";
    NameAmbiguous = "E4006", 409, FailedPrecondition,
        "several keys have this name",
        "Names are for people and need not be unique, so this one does not say which key is meant; retired keys \
         keep their names. Nothing was begun with any of them.",
        "Say the id in the place of the name. `keymoot key list`, or GET /v1/keys, shows ids, names, schemes and \
         which are retired.";
    Conflict = "E4007", 409, AlreadyExists,
        "the nonce was used for another request",
        "A nonce is the name of one request for ever. A request with this nonce of this client is known, \
         and it has another body or path. The one before stands; this one began nothing.",
        "Sign a new request with a fresh nonce.";
    CoordinatorsUnavailable = "E5001", 503, Unavailable,
        "no coordinator answers",
        "Every coordinator of the cluster document was tried, and none could be reached or was able to \
         answer. A signed request may have been admitted before the connection broke.",
        "Send the same signed request again: it is idempotent. `keymoot doctor` looks for the cause.";
    Busy = "E5002", 429, ResourceExhausted,
        "the service is busy",
        "As many requests are in progress as the service has room for. This one was not begun.",
        "Wait for as long as the header Retry-After says, and send the same request again.";
    TooManyRequests = "E5003", 429, ResourceExhausted,
        "the client asks too often, or too much at once",
        "Each client has a budget of requests a second, and a share of the places for requests, lists, streams and \
         their bytes, so that none can take the service from the others. This request was not begun.",
        "Wait for as long as the header Retry-After says, or until something of the same client is done.";
    TookTooLong = "E5004", 504, DeadlineExceeded,
        "the answer took too long",
        "The time that a call may take was over before there was an answer. A signed request may go on \
         nevertheless.",
        "Send the same signed request again, or look at the request by its id.";
    StoreUnavailable = "E5005", 503, Unavailable,
        "the store does not answer",
        "A coordinator tells nobody anything before it is durable in the shared store, and that store does \
         not answer or is full.",
        "See to the store's disk and its log; then send the same request again.";
    ShuttingDown = "E5006", 503, Unavailable,
        "the service is stopping",
        "The process was asked to stop. It finishes what it has begun and takes nothing new.",
        "Send the same request again in a moment, or to another instance.";
    ProtocolVersion = "E5007", 503, FailedPrecondition,
        "the other side speaks another version",
        "Messages between processes have a version, and both sides have to speak the same one.",
        "Bring all processes of the cluster to the same release; `keymoot doctor` lists their versions.";
    NotOffered = "E5008", 501, Unimplemented,
        "this release does not do that",
        "What was asked for is part of the interface, but the coordinator that was asked is of a release \
         that does not do it. Nothing was begun.",
        "Bring all processes of the cluster to the same, newer release; `keymoot doctor` lists their \
         versions.";
    Defect = "E7003", 500, Internal,
        "a defect of keymoot",
        "Something happened that cannot happen if keymoot is right. What was asked may have been begun or \
         not.",
        "Please report it, with the request id and the log of that moment. The same signed request may be \
         sent again.";
}
