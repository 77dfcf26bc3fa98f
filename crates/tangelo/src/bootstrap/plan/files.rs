//! The files that settings name.

use std::{fmt::Display, fs, path::Path, sync::Arc};

use tangelo_rpc::{
    client::Fallback,
    config::ApplicationConfig,
    server::{ErrorTexts, Properties, PropertiesError},
};

use crate::bootstrap::{Bootstrap, elements::Chapter, settings::Origins};

/// What they hold.
pub(super) struct Files {
    pub(super) texts: Option<Arc<dyn ErrorTexts>>,
    pub(super) mock: Option<Fallback>,
    pub(super) fallback: Option<Fallback>,
}

impl Bootstrap {
    /// Reads the files; what is wrong with them is among the mistakes then.
    pub(super) fn load(&mut self, origins: &Origins) -> Files {
        let (mock, fallback) = (
            self.application.mock_file.clone(),
            self.application.fallback_file.clone(),
        );
        Files {
            texts: self.texts(origins),
            mock: self.canned("mock_file", &mock, origins),
            fallback: self.canned("fallback_file", &fallback, origins),
        }
    }

    fn texts(&mut self, origins: &Origins) -> Option<Arc<dyn ErrorTexts>> {
        if let Some(texts) = self.brought.error_texts.take() {
            return Some(texts);
        }
        let file = self.application.error_msg_converter.as_str();
        let is_default = file == ApplicationConfig::default().error_msg_converter;
        if file.is_empty() || (is_default && !Path::new(file).exists()) {
            return None;
        }
        match Properties::load(file) {
            Ok(texts) => return Some(Arc::new(texts)),
            Err(error @ PropertiesError::Unreadable { .. }) => {
                self.wrong_file("error_msg_converter", error, origins);
            }
            // Each on a line of its own, with its place in that file.
            Err(error) => error
                .to_string()
                .lines()
                .for_each(|line| self.mistakes.add(line)),
        }
        None
    }

    /// The canned answers of a file.
    fn canned(&mut self, key: &str, file: &str, origins: &Origins) -> Option<Fallback> {
        if file.is_empty() {
            return None;
        }
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                self.wrong_file(key, format_args!("{file}: {error}"), origins);
                return None;
            }
        };
        match Fallback::read(Path::new(file), &text) {
            Ok(answers) => Some(answers),
            Err(error) => {
                let mistakes = error.mistakes.into_iter();
                mistakes.for_each(|mistake| self.mistakes.add(mistake));
                None
            }
        }
    }

    fn wrong_file(&mut self, key: &str, problem: impl Display, origins: &Origins) {
        let at = origins.of(Chapter::Application.at(0), key);
        self.mistakes
            .add_at(at, format!("application.{key}: {problem}"));
    }
}
