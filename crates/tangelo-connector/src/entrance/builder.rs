//! What a connector is told of its entrance.

/// The methods of a connector by which it is told who may come in, how safely, and as whom. Its field `entrance`
/// is an [`Entrance`](crate::Entrance).
macro_rules! entrance_methods {
    () => {
        /// TLS as well, with this certificate: the first byte tells whether a client speaks it.
        #[cfg(feature = "tls")]
        #[must_use]
        pub fn tls(mut self, certificate: tangelo_tls::Certificate) -> Self {
            self.entrance.certificate = Some(certificate);
            self
        }

        /// Closes clients that do not speak TLS.
        #[cfg(feature = "tls")]
        #[must_use]
        pub fn only_tls(mut self) -> Self {
            self.entrance.only_tls = true;
            self
        }

        /// Peers in these networks are proxies that begin with a header of PROXY protocol, version 1 or 2, and
        /// are closed if they do not. Whom it names is the client; to all others it is no protocol spoken here.
        ///
        /// # Errors
        /// One of them is no network.
        pub fn proxy_protocol_from<N: ToString>(
            mut self,
            networks: impl IntoIterator<Item = N>,
        ) -> Result<Self, $crate::BadNetwork> {
            self.entrance.proxy_protocol_from = $crate::Networks::new(networks)?;
            Ok(self)
        }

        /// Peers in these networks are proxies whose header says who the client is: that of the HTTP request
        /// which opens its WebSocket or its session. Only this header is read, from its end, as long as who has
        /// written there is in one of the networks.
        ///
        /// # Errors
        /// One of them is no network.
        pub fn forwarded_from<N: ToString>(
            mut self,
            networks: impl IntoIterator<Item = N>,
            header: $crate::ForwardHeader,
        ) -> Result<Self, $crate::BadNetwork> {
            self.entrance.forwarded_from = $crate::Networks::new(networks)?;
            self.entrance.forward_header = header;
            Ok(self)
        }

        /// Pages of these origins may connect, `https://game.example`; those of others are answered 403. Who
        /// names no origin is no browser, and let in.
        ///
        /// # Errors
        /// One of them is no origin.
        pub fn origins<O: ToString>(
            mut self,
            origins: impl IntoIterator<Item = O>,
        ) -> Result<Self, $crate::BadOrigin> {
            self.entrance.origins = $crate::Origins::new(origins)?;
            Ok(self)
        }
    };
}

pub(crate) use entrance_methods;
