//! Bearer tokens: JWTs (RFC 7519) signed with HS256 by the server's own secret.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Deserializer, Serialize};

/// Seconds by which clocks of servers that share a secret may differ.
const CLOCK_SKEW: u64 = 30;
/// Bytes of the longest token read; ours are about 300.
const LONGEST: usize = 4096;
/// Bytes of the shortest secret: HS256 asks for 256 bits (RFC 7518 §3.2).
pub const SHORTEST_SECRET: usize = 32;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To send the room's media.
    Publish,
    /// To watch a room that is not open to everybody.
    View,
    /// To sell in the room.
    Host,
    /// To make tokens, and everything above.
    Operator,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 4] = [Scope::Publish, Scope::View, Scope::Host, Scope::Operator];

    /// Its name in tokens.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Publish => "publish",
            Scope::View => "view",
            Scope::Host => "host",
            Scope::Operator => "operator",
        }
    }

    /// The scope of this name.
    pub fn from_name(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Whether a token with this scope may do what `wanted` is needed for: who publishes or sells may watch.
    fn covers(self, wanted: Scope) -> bool {
        self == wanted || self == Scope::Operator || wanted == Scope::View
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// What it allows; scopes unknown here are left out.
    #[serde(deserialize_with = "known_scopes")]
    pub scope: Vec<Scope>,
    /// The room it is for; `*` for all.
    pub room: String,
    /// Who it belongs to: the shop's customer or staff id.
    pub sub: String,
    /// The name shown in chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Made at, seconds since 1970.
    pub iat: u64,
    /// Good until, seconds since 1970.
    pub exp: u64,
}

impl Claims {
    /// A `sub` for somebody whose customer id is not known: random, so that two of them are never one customer.
    pub fn fresh_subject() -> String {
        format!("guest-{:016x}", rand::random::<u64>())
    }

    /// Whether the token is for this room.
    pub fn is_for(&self, room: &str) -> bool {
        self.room == "*" || self.room == room
    }

    /// Whether the token allows this in the room.
    pub fn allows(&self, wanted: Scope, room: &str) -> bool {
        self.is_for(room) && self.has(wanted)
    }

    /// Whether one of its scopes covers this one, wherever.
    pub fn has(&self, wanted: Scope) -> bool {
        self.scope.iter().any(|scope| scope.covers(wanted))
    }
}

/// Takes an array, or one text with spaces between (RFC 8693 §4.2), as other makers of tokens write it.
fn known_scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Scope>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::List(names) => names.iter().filter_map(|name| Scope::from_name(name)).collect(),
        Written::Text(names) => names.split(' ').filter_map(Scope::from_name).collect(),
    })
}

/// What is wrong with a token; the text is for its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT of ours.
    #[error("the token is not valid here")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// Makes and reads tokens.
#[derive(Clone)]
pub struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// Tokens of this secret, at least [`SHORTEST_SECRET`] bytes.
    pub fn new(secret: &[u8]) -> Tokens {
        let mut validation = Validation::new(Algorithm::HS256);
        // Time is judged here, against the caller's clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        validation.validate_aud = false;
        Tokens {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            validation,
        }
    }

    /// Signs a token.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] if the claims cannot be written; not in practice.
    pub fn sign(&self, claims: &Claims) -> Result<String, TokenError> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing)
            .map_err(|_| TokenError::Invalid)
    }

    /// What a token says, if its signature is ours and its time not over; `now` in seconds since 1970.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn verify(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Invalid);
        }
        let read = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation);
        let claims = read.map_err(|_| TokenError::Invalid)?.claims;
        if claims.exp.saturating_add(CLOCK_SKEW) < now {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn tokens() -> Tokens {
        Tokens::new(&[7; SHORTEST_SECRET])
    }

    fn claims(scope: &[Scope], room: &str) -> Claims {
        Claims {
            scope: scope.to_vec(),
            room: room.to_owned(),
            sub: "anna".to_owned(),
            name: None,
            iat: NOW,
            exp: NOW + 60,
        }
    }

    #[test]
    fn a_token_says_what_it_was_made_with_until_its_time_is_over() {
        let made = claims(&[Scope::Publish, Scope::Host], "demo");
        let token = tokens().sign(&made).unwrap();
        assert_eq!(tokens().verify(&token, NOW), Ok(made));
        assert!(tokens().verify(&token, NOW + 60 + CLOCK_SKEW).is_ok());
        assert_eq!(
            tokens().verify(&token, NOW + 61 + CLOCK_SKEW),
            Err(TokenError::Expired)
        );
    }

    #[test]
    fn tokens_of_another_secret_algorithm_or_shape_are_refused() {
        let made = claims(&[Scope::View], "*");
        let foreign = Tokens::new(&[8; SHORTEST_SECRET]).sign(&made).unwrap();
        let stronger = jsonwebtoken::encode(
            &Header::new(Algorithm::HS512),
            &made,
            &EncodingKey::from_secret(&[7; SHORTEST_SECRET]),
        )
        .unwrap();
        // {"alg":"none"} and the claims, without a signature.
        let own = tokens().sign(&made).unwrap();
        let payload = own.split('.').nth(1).unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
        let long = "a".repeat(LONGEST + 1);
        for bad in [
            foreign,
            stronger,
            unsigned,
            long,
            "nonsense".to_owned(),
            String::new(),
        ] {
            assert_eq!(tokens().verify(&bad, NOW), Err(TokenError::Invalid), "{bad}");
        }
    }

    #[test]
    fn a_token_has_at_most_4096_bytes() {
        let named = |length: usize| Claims {
            name: Some("n".repeat(length)),
            ..claims(&[Scope::View], "*")
        };
        let sign = |length: usize| tokens().sign(&named(length)).unwrap();
        let longest = (1..LONGEST)
            .rev()
            .find(|length| sign(*length).len() <= LONGEST)
            .unwrap();
        assert_eq!(
            sign(longest).len(),
            LONGEST,
            "three bytes of name are four of a token, or one more"
        );
        assert!(tokens().verify(&sign(longest), NOW).is_ok());
        assert_eq!(tokens().verify(&sign(longest + 1), NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn scopes_hold_in_their_room_only() {
        let host = claims(&[Scope::Host], "demo");
        assert!(host.allows(Scope::Host, "demo") && host.allows(Scope::View, "demo"));
        assert!(!host.allows(Scope::Publish, "demo") && !host.allows(Scope::Host, "other"));
        let operator = claims(&[Scope::Operator], "*");
        assert!(Scope::ALL.into_iter().all(|scope| operator.allows(scope, "any")));
        assert!(!claims(&[Scope::View], "*").has(Scope::Operator));
    }

    #[test]
    fn scopes_may_be_written_as_one_text_and_unknown_ones_mean_nothing() {
        let read: Claims = serde_json::from_str(
            r#"{"scope":"publish dance host","room":"demo","sub":"a","iat":1,"exp":2,"more":true}"#,
        )
        .unwrap();
        assert_eq!(read.scope, [Scope::Publish, Scope::Host]);
    }
}
