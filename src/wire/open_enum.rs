//! Enums of names that the service uses, open to names that it will use later.

/// Declares such an enum.
///
/// A macro, because eighteen enums need the same six impls, and a derive can't give them:
/// `#[serde(other)]` loses the text, and `untagged` buffers every value and spoils the error. What
/// follows a `|` is a further spelling that is read but never written. Case is ignored when
/// reading, since the vendor's documentation and the service's schema disagree about it.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $text:literal $(| $also:literal)*,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $vis enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A name that this version of the crate doesn't know, as the service spells it; a
            /// number is kept as its digits. Don't make one by hand: `From` finds the variant of a
            /// known name, whatever its ASCII case, so that equal names are equal values.
            Other(String),
        }

        impl $name {
            /// The name as the service spells it.
            $vis fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }

            fn known(text: &str) -> Option<Self> {
                $(
                    if text.eq_ignore_ascii_case($text) $(|| text.eq_ignore_ascii_case($also))* {
                        return Some(Self::$variant);
                    }
                )+
                None
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::known(text).unwrap_or_else(|| Self::Other(text.to_owned()))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::known(&text).unwrap_or_else(|| Self::Other(text))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = deserializer.deserialize_any($crate::wire::TextVisitor)?;
                Ok(Self::known(&text).unwrap_or_else(|| Self::Other(text.into_owned())))
            }
        }
    };
}

pub(crate) use open_enum;
