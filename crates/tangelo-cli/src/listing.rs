//! Services and their methods, as text.

use tangelo_reflect::Pool;

/// A line for each service, with its number, and below it one for each method.
pub(crate) fn services(pool: &Pool) -> String {
    let lines = pool.services().flat_map(|service| {
        let methods = service.methods.iter();
        let methods = methods.map(|method| format!("{:>8}   {}", method.id, method.name));
        std::iter::once(format!("{:>8} {}", service.id, service.full_name)).chain(methods)
    });
    lines.collect::<Vec<_>>().join("\n")
}
