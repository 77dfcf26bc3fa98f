//! What the caller is told of a broken rule.

/// krpc's code for a broken rule that has none of its own.
pub const VALIDATE_ERROR: i32 = -621;

/// Its built-in text.
const VALIDATE_ERROR_TEXT: &str = "validate error:";

/// The rule that a message breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} breaks its rule ({code})")]
pub struct Violation {
    /// The rule's `retCode` if that is negative, else [`VALIDATE_ERROR`].
    pub code: i32,
    /// The rule's `retMsg`, if it has one.
    pub message: Option<String>,
    /// The field's full name: `package.Message.field`.
    pub field: String,
}

impl Violation {
    /// The words of the answer: the rule's own, else `error_text` of the code, else `validate error:`.
    ///
    /// The field's full name stands for each `%s` in them, and after them if they end with a colon.
    pub fn text(&self, error_text: impl FnOnce(i32) -> Option<String>) -> String {
        let words = self.message.clone().or_else(|| error_text(self.code));
        let words = words.filter(|words| !words.is_empty());
        let words = words.as_deref().unwrap_or(VALIDATE_ERROR_TEXT);
        let mut text = words.replace("%s", &self.field);
        if words.ends_with(':') {
            text.push(' ');
            text.push_str(&self.field);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: Option<&str>, of_code: Option<&str>) -> String {
        let violation = Violation {
            code: -100_007,
            message: message.map(str::to_owned),
            field: "shop.Order.id".to_owned(),
        };
        violation.text(|code| {
            assert_eq!(code, -100_007);
            of_code.map(str::to_owned)
        })
    }

    #[test]
    fn a_rules_own_words_come_first_then_the_codes_then_krpcs() {
        assert_eq!(text(Some("no"), Some("wrong")), "no");
        assert_eq!(text(None, Some("wrong")), "wrong");
        assert_eq!(text(None, None), "validate error: shop.Order.id");
        assert_eq!(text(None, Some("")), "validate error: shop.Order.id");
    }

    #[test]
    fn the_field_stands_after_a_last_colon_and_for_each_mark() {
        assert_eq!(text(Some("bad:"), None), "bad: shop.Order.id");
        assert_eq!(text(Some("bad: %s!"), None), "bad: shop.Order.id!");
        let twice = "%s is wrong: shop.Order.id";
        assert_eq!(
            text(None, Some("%s is wrong:")),
            twice.replace("%s", "shop.Order.id")
        );
    }
}
