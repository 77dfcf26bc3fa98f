//! The chapter `registry`.

super::settings! {
    /// A registry: says which addresses serve what.
    RegistryConfig {
        /// Its name, by which services and referers choose it. Required.
        id: String = String::new();
        /// `memory`: within this process. Others are brought in code for now: `Bootstrap::own_registry`.
        kind as "type": String = "memory".to_owned();
        /// Where its servers are; `memory` has none.
        address: Vec<String> = Vec::new();
        /// Whether services are announced in it.
        enable_regist: bool = true;
        /// Whether referers look in it.
        enable_discover: bool = true;
    }
    file {}
    refused {
        "addrs" => "is called address here";
        "acl_token" => "belongs to consul, which is not there yet";
        "params" => "belongs to registries that are not there yet";
    }
    unset {}
}
