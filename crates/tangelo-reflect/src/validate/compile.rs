//! From a type of message to what is to be looked at in it, and in all that it holds.

use std::collections::{HashMap, HashSet};

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::{Error, VALIDATE_ERROR, options, rules::Rules};

/// What is looked at in a message of one type, in the order it is declared in.
pub(super) struct Plan {
    descriptor: MessageDescriptor,
    pub(super) fields: Vec<Field>,
    /// By number: those fields, and whatever may be set in their place.
    pub(super) slots: HashMap<u32, Slot, foldhash::fast::RandomState>,
    /// What is broken when nothing is set.
    pub(super) unset: Option<Place>,
}

/// What a number in a message stands for.
pub(super) struct Slot {
    /// Index of the field, if it is looked at.
    pub(super) field: Option<usize>,
    /// Indices of the fields that it takes the place of.
    pub(super) instead_of: Vec<usize>,
    /// Entries of maps have a length for prost whatever form they say they have: then what follows would
    /// be read in two ways.
    pub(super) is_map: bool,
}

/// How many values a field has, and of what kind.
pub(super) enum Form {
    One(Kind),
    List(Kind),
    /// With the kind of its keys.
    Map(Kind),
}

pub(super) struct Field {
    pub(super) descriptor: FieldDescriptor,
    pub(super) form: Form,
    pub(super) rules: Rules,
    pub(super) answer: Answer,
    /// The plan of the messages that it holds, if that has anything to look at.
    pub(super) below: Option<usize>,
    /// What is broken when the field is not set.
    pub(super) unset: Option<Place>,
}

/// What is said when a rule of the field is broken.
pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) message: Option<String>,
}

/// The field at an index of the plan at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) plan: usize,
    pub(super) field: usize,
}

/// The plans of a type and of those below it, its own first. `None`: there is no rule anywhere.
pub(super) fn plans(descriptor: &MessageDescriptor) -> Result<Option<Vec<Plan>>, Error> {
    let mut plans = read(descriptor)?;
    prune(&mut plans);
    if plans.first().is_none_or(|plan| plan.fields.is_empty()) {
        return Ok(None);
    }
    settle_unset(&mut plans);
    for plan in &mut plans {
        plan.slots = slots(&plan.descriptor, &plan.fields);
        plan.unset = plan.fields.iter().find_map(|field| field.unset);
    }
    Ok(Some(plans))
}

/// Each type that can be reached, once.
fn read(descriptor: &MessageDescriptor) -> Result<Vec<Plan>, Error> {
    let mut types = vec![descriptor.clone()];
    let mut known = HashMap::from([(descriptor.full_name().to_owned(), 0)]);
    let mut plans = Vec::new();
    while let Some(message) = types.get(plans.len()).cloned() {
        let mut fields = Vec::new();
        for descriptor in declared(&message) {
            let below = held(&descriptor).map(|held| {
                *known.entry(held.full_name().to_owned()).or_insert_with(|| {
                    types.push(held);
                    types.len() - 1
                })
            });
            fields.push(read_field(descriptor, below)?);
        }
        plans.push(Plan {
            descriptor: message,
            fields,
            slots: HashMap::default(),
            unset: None,
        });
    }
    Ok(plans)
}

/// The fields as they stand in the file, which need not be the order of their numbers.
fn declared(message: &MessageDescriptor) -> impl Iterator<Item = FieldDescriptor> + '_ {
    let fields = message.descriptor_proto().field.iter();
    fields.filter_map(|field| message.get_field_by_name(field.name()))
}

/// The type of the messages in a field.
fn held(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => match entry.map_entry_value_field().kind() {
            Kind::Message(message) => Some(message),
            _ => None,
        },
        Kind::Message(message) => Some(message),
        _ => None,
    }
}

fn read_field(descriptor: FieldDescriptor, below: Option<usize>) -> Result<Field, Error> {
    let vld = options::read(&descriptor)
        .map_err(|problem| Error::new(&descriptor, "vld", problem))?
        .unwrap_or_default();
    let form = match descriptor.kind() {
        Kind::Message(entry) if descriptor.is_map() => {
            Form::Map(entry.map_entry_key_field().kind())
        }
        kind if descriptor.is_list() => Form::List(kind),
        kind => Form::One(kind),
    };
    Ok(Field {
        form,
        rules: Rules::parse(&descriptor, &vld)?,
        answer: Answer {
            code: if vld.ret_code < 0 {
                vld.ret_code
            } else {
                VALIDATE_ERROR
            },
            message: Some(vld.ret_msg).filter(|message| !message.is_empty()),
        },
        descriptor,
        below,
        unset: None,
    })
}

/// Leaves the fields that have rules, or lead to some.
fn prune(plans: &mut [Plan]) {
    let has_rules = |plan: &Plan| plan.fields.iter().any(|field| !field.rules.is_empty());
    let mut ruled: Vec<bool> = plans.iter().map(has_rules).collect();
    loop {
        let leads = |field: &Field| field.below.is_some_and(|below| ruled[below]);
        let found: Vec<usize> = (0..plans.len())
            .filter(|&plan| !ruled[plan] && plans[plan].fields.iter().any(leads))
            .collect();
        if found.is_empty() {
            break;
        }
        for plan in found {
            ruled[plan] = true;
        }
    }
    for plan in plans {
        for field in &mut plan.fields {
            field.below = field.below.filter(|&below| ruled[below]);
        }
        plan.fields
            .retain(|field| !field.rules.is_empty() || field.below.is_some());
    }
}

/// Finds for each field what is broken when it is not set, so that nobody has to look when requests come.
fn settle_unset(plans: &mut [Plan]) {
    let needed: Vec<HashSet<usize>> = (0..plans.len()).map(|plan| needed(plans, plan)).collect();
    // A type stands after those it needs, unless they need it: it has them all and itself besides.
    let mut order: Vec<usize> = (0..plans.len()).collect();
    order.sort_by_key(|&plan| needed[plan].len());
    for plan in order {
        for index in 0..plans[plan].fields.len() {
            let field = &plans[plan].fields[index];
            let unset = match needed_below(field) {
                _ if in_oneof(field) => None,
                Some(below) if needed[below].contains(&plan) => None,
                Some(below) => plans[below].fields.iter().find_map(|field| field.unset),
                None => {
                    let default = field.descriptor.default_value();
                    let place = Place { plan, field: index };
                    (!field.rules.hold_default(&default)).then_some(place)
                }
            };
            plans[plan].fields[index].unset = unset;
        }
    }
}

fn slots(
    message: &MessageDescriptor,
    fields: &[Field],
) -> HashMap<u32, Slot, foldhash::fast::RandomState> {
    let all = message.fields().filter_map(|descriptor| {
        let oneof = descriptor.containing_oneof();
        let instead_of = (0..).zip(fields).filter_map(|(at, field)| {
            let rival = oneof.is_some() && field.descriptor.containing_oneof() == oneof;
            (rival && field.descriptor != descriptor).then_some(at)
        });
        let slot = Slot {
            field: fields
                .iter()
                .position(|field| field.descriptor == descriptor),
            instead_of: instead_of.collect(),
            is_map: descriptor.is_map(),
        };
        let matters = slot.field.is_some() || !slot.instead_of.is_empty() || slot.is_map;
        matters.then_some((descriptor.number(), slot))
    });
    all.collect()
}

/// The types that an empty message would have to have in it, itself among them.
fn needed(plans: &[Plan], plan: usize) -> HashSet<usize> {
    let mut needed = HashSet::from([plan]);
    let mut rest = vec![plan];
    while let Some(plan) = rest.pop() {
        let below = plans[plan].fields.iter().filter_map(needed_below);
        rest.extend(below.filter(|&below| needed.insert(below)));
    }
    needed
}

/// The type of a message that is there even if it is not set. Of lists and maps there would be none.
fn needed_below(field: &Field) -> Option<usize> {
    let single = !field.descriptor.is_list() && !field.descriptor.is_map();
    field.below.filter(|_| single && !in_oneof(field))
}

/// Whether another field may be set in its place. (What `optional` makes of a field is no such thing.)
fn in_oneof(field: &Field) -> bool {
    let oneof = field.descriptor.containing_oneof();
    oneof.is_some_and(|oneof| !oneof.is_synthetic())
}
