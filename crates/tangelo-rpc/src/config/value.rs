//! Values of settings files.

use std::{str::FromStr, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    policy::flow::FlowLimits,
    policy::{
        balance::{self, Balance},
        retry::RetryLevel,
    },
};

/// What a value of a settings file can become.
pub trait FromSetting: Sized {
    /// Takes the value.
    ///
    /// # Errors
    /// What is expected instead, as the end of a sentence.
    fn from_setting(value: &Value) -> Result<Self, String>;
}

impl FromSetting for String {
    fn from_setting(value: &Value) -> Result<Self, String> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| "a text".to_owned())
    }
}

impl FromSetting for bool {
    fn from_setting(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| "true or false".to_owned())
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {
        $(impl FromSetting for $type {
            fn from_setting(value: &Value) -> Result<Self, String> {
                let number = value.as_i64().and_then(|number| Self::try_from(number).ok());
                number.ok_or_else(|| format!("a whole number from {} to {}", Self::MIN, Self::MAX))
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
            .ok_or_else(|| "a time in milliseconds, at least 1".to_owned())
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
        let expected = || "a list of texts, or one text with commas".to_owned();
        match value {
            Value::String(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()),
            Value::Array(list) => list
                .iter()
                .map(|part| part.as_str().map(str::to_owned).ok_or_else(expected))
                .collect(),
            _ => Err(expected()),
        }
    }
}

/// What is written as a text and read with `FromStr`.
macro_rules! texts {
    ($($type:ty),*) => {
        $(impl FromSetting for $type {
            fn from_setting(value: &Value) -> Result<Self, String> {
                let text = value.as_str().ok_or("a text")?;
                Self::from_str(text).map_err(|error| error.to_string())
            }
        })*
    };
}
texts!(RetryLevel, FlowLimits);

impl FromSetting for Arc<dyn Balance> {
    fn from_setting(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or("a text")?;
        balance::by_name(text).map_err(|error| error.to_string())
    }
}
