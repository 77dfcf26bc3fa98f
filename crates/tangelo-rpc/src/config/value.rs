//! Values of settings files.

use std::{str::FromStr, time::Duration};

use serde_json::Value;

use super::Pattern;
use crate::policy::{
    balance::{self, LoadBalance},
    flow::FlowLimits,
    retry::RetryLevel,
};

/// What a value of a settings file can become.
pub trait FromSetting: Sized {
    /// Takes the value.
    ///
    /// # Errors
    /// What is wrong with it: `expected true or false, found 5`.
    fn from_setting(value: &Value) -> Result<Self, String>;
}

impl FromSetting for String {
    fn from_setting(value: &Value) -> Result<Self, String> {
        text(value).map(str::to_owned)
    }
}

impl FromSetting for bool {
    fn from_setting(value: &Value) -> Result<Self, String> {
        value
            .as_bool()
            .ok_or_else(|| expected("true or false", value))
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {
        $(impl FromSetting for $type {
            fn from_setting(value: &Value) -> Result<Self, String> {
                // A file has no numbers beyond these.
                let most = i64::try_from(Self::MAX).unwrap_or(i64::MAX);
                let number = value.as_i64().and_then(|number| Self::try_from(number).ok());
                number.ok_or_else(|| {
                    expected(&format!("a whole number from {} to {most}", Self::MIN), value)
                })
            }
        })*
    };
}
whole_numbers!(u16, u32, i32, usize);

impl FromSetting for Duration {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let millis = value.as_u64().filter(|millis| *millis > 0);
        millis
            .map(Self::from_millis)
            .ok_or_else(|| expected("a time in milliseconds, at least 1", value))
    }
}

impl<T: FromSetting> FromSetting for Option<T> {
    fn from_setting(value: &Value) -> Result<Self, String> {
        T::from_setting(value).map(Some)
    }
}

/// A list, or krpc's text with commas.
impl FromSetting for Vec<String> {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let wrong = || expected("a list of texts, or one text with commas", value);
        match value {
            Value::String(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()),
            Value::Array(list) => list
                .iter()
                .map(|part| part.as_str().map(str::to_owned).ok_or_else(wrong))
                .collect(),
            _ => Err(wrong()),
        }
    }
}

/// What is written as a text and read with `FromStr`.
macro_rules! texts {
    ($($type:ty),*) => {
        $(impl FromSetting for $type {
            fn from_setting(value: &Value) -> Result<Self, String> {
                Self::from_str(text(value)?).map_err(|error| error.to_string())
            }
        })*
    };
}
texts!(RetryLevel, FlowLimits);

impl FromSetting for LoadBalance {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let balance = balance::by_name(text(value)?).map_err(|error| error.to_string())?;
        Ok(balance.into())
    }
}

/// A single number needs no quotes.
impl FromSetting for Pattern {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let parsed = match value {
            Value::Number(number) => number.to_string().parse(),
            value => text(value)?.parse(),
        };
        parsed.map_err(|error: super::PatternError| error.to_string())
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| expected("a text", value))
}

fn expected(what: &str, found: &Value) -> String {
    /// Characters of a value that are shown.
    const SHOWN: usize = 60;
    let mut shown = found.to_string();
    if let Some((end, _)) = shown.char_indices().nth(SHOWN) {
        shown.truncate(end);
        shown.push_str("...");
    }
    format!("expected {what}, found {shown}")
}
