//! Parameters in krpc's form: `a=1;b=2`.

/// What a plugin is told. What nobody asks for is a mistake.
#[derive(Debug)]
pub(super) struct Params<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Params<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, String> {
        let mut params = Self(Vec::new());
        let parts = text.split(';').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else {
                return Err(format!(
                    "params: expected name=value, but there is `{part}`"
                ));
            };
            let (name, value) = (name.trim(), value.trim());
            if params.0.iter().any(|(known, _)| *known == name) {
                return Err(format!("params: `{name}` stands there twice"));
            }
            params.0.push((name, value));
        }
        Ok(params)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(at).1).filter(|value| !value.is_empty())
    }

    /// A name, or its default.
    pub(super) fn name(&mut self, name: &str, default: &str) -> String {
        self.take(name).unwrap_or(default).to_owned()
    }

    /// A number from 1, or its default.
    pub(super) fn number(&mut self, name: &str, default: u32) -> Result<u32, String> {
        let Some(text) = self.take(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| format!("{name}: expected a number from 1, but it is `{text}`"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => Err(format!(
                "{name}: expected true or false, but it is `{text}`"
            )),
        }
    }

    /// All has been asked for.
    pub(super) fn end(self) -> Result<(), String> {
        match self.0.first() {
            Some((name, _)) => Err(format!("params: there is no `{name}`")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_names_and_values() {
        let mut params = Params::read(" a = 1 ;b=x=y;; c= ").unwrap();
        assert_eq!(params.take("b"), Some("x=y"));
        assert_eq!(params.number("a", 7), Ok(1));
        assert_eq!(params.number("d", 7), Ok(7));
        assert_eq!(params.name("c", "default"), "default");
        assert_eq!(params.end(), Ok(()));
    }

    #[test]
    fn what_is_no_parameter_is_a_mistake() {
        let read = |text| Params::read(text).unwrap_err();
        assert_eq!(read("a"), "params: expected name=value, but there is `a`");
        assert_eq!(read("a=1;a=2"), "params: `a` stands there twice");
        let mut params = Params::read("a=0;b=yes;c=1").unwrap();
        let problem = params.number("a", 1).unwrap_err();
        assert_eq!(problem, "a: expected a number from 1, but it is `0`");
        let problem = params.flag("b").unwrap_err();
        assert_eq!(problem, "b: expected true or false, but it is `yes`");
        assert_eq!(params.end().unwrap_err(), "params: there is no `c`");
    }
}
