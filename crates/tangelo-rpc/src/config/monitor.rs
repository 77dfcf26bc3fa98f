//! The chapter `monitor`.

super::settings! {
    /// The access log.
    MonitorConfig {
        /// Whether it is written at all.
        access_log: bool = true;
        /// Fields whose value is shown as `***`, at any depth.
        mask_fields: Vec<String> = Vec::new();
        /// Elements shown of a repeated field.
        max_repeated_size_to_log: usize = 1;
        /// Characters shown of a text.
        max_field_size_to_log: usize = 500;
        /// Form of messages: `simple` or `json` (krpc's `jackson`).
        log_formatter: String = "simple".to_owned();
        /// Threads that write it.
        log_threads: usize = 1;
        /// Lines that may wait to be written; those beyond are left out and counted.
        log_queue_size: usize = 10_000;
        /// Whether fields with their default value are shown.
        print_default: bool = false;
    }
    file {}
    refused {
        "server_addr" => "needs the monitor client, which is not there yet; leave it out";
        "self_check_port" => "is not there yet; leave it out";
        "start_self_check_port" => "is not there yet; leave it out";
        "std_self_check_port" => "is not there yet; leave it out";
        "print_original_msg_name" => "has no meaning here: names are printed as the .proto file has them; leave it out";
        "tags" => "are written with ServerContext::log_variable";
        "plugins" => "are brought in code: see Bootstrap";
        "plugin_params" => "are brought in code: see Bootstrap";
        "audit_free_service_ids" => "is not there yet; leave it out";
    }
    unset {}
}
