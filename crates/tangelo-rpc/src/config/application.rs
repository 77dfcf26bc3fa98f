//! The chapter `application`.

super::settings! {
    /// The application as a whole.
    ApplicationConfig {
        /// Name under which it registers, and which routing rules know.
        name: String = "default_app".to_owned();
        /// File of canned answers for services that are not there yet: what it has an answer for is
        /// not sent. Empty: none.
        mock_file: String = String::new();
        /// File of canned answers for when no server can be reached. Empty: none.
        fallback_file: String = String::new();
        /// File of words for negative codes, in the form of Java's properties. One that is not there is
        /// left out if it is the default.
        error_msg_converter: String = "error.properties".to_owned();
        /// `memory` lets the `flow_control` of services and methods count; empty: nothing is counted.
        flow_control: String = String::new();
        /// Calls out of a hundred whose trace says that it may be sampled.
        sample_rate: u32 = 100;
    }
    file {}
    refused {
        "delay_start" => "has no meaning without Spring: start the application when you want it started; leave it out";
        "trace_adapter" => "is brought in code: Bootstrap::tracer";
        "dynamic_route_plugin" => "needs an engine that is not there yet; rules are given in code: RefererConfig::routes";
        "data_dir" => "has no meaning here: nothing is kept on disk; leave it out";
        "enable_postman_export" => "has no meaning here: there is no such port; leave it out";
        "fallback_plugin" => "is called fallback_file here";
    }
    unset {}
}
