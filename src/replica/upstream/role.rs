//! The fields of a case that an upstream's columns may hold.

/// A field of a case that a column may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The receipt number.
    Receipt,
    /// The second factor, in one of its three forms.
    Factor,
    /// The stage's code.
    Stage,
    /// The document's code.
    Document,
    /// The case type's code.
    CaseType,
    /// The hall's code.
    Hall,
    /// The day of acceptance.
    AcceptedOn,
    /// The day of the stage.
    StageOn,
    /// When the clock stood still.
    Pauses,
    /// Papers that are still needed.
    Items,
    /// The waybill number; its last four characters are kept.
    Waybill,
    /// Whether the applicant is a minor.
    Minor,
    /// The case's version.
    Version,
}

impl Role {
    /// Every role, in the order of a copied row.
    pub const ALL: [Role; ROLES] = [
        Role::Receipt,
        Role::Factor,
        Role::Stage,
        Role::Document,
        Role::CaseType,
        Role::Hall,
        Role::AcceptedOn,
        Role::StageOn,
        Role::Pauses,
        Role::Items,
        Role::Waybill,
        Role::Minor,
        Role::Version,
    ];

    /// As it is called in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Role::Receipt => "receipt",
            Role::Factor => "id_tail, birth_date or verifier",
            Role::Stage => "stage",
            Role::Document => "document",
            Role::CaseType => "case_type",
            Role::Hall => "hall",
            Role::AcceptedOn => "accepted_on",
            Role::StageOn => "stage_on",
            Role::Pauses => "pauses",
            Role::Items => "items",
            Role::Waybill => "waybill",
            Role::Minor => "minor",
            Role::Version => "version",
        }
    }

    /// Whether values of a built-in type can be read as this; types of the upstream's own making are read as text.
    pub(super) fn reads(self, type_id: u32) -> bool {
        const TEXT: &[u32] = &[18, 19, 25, 1042, 1043];
        const WHOLE: &[u32] = &[20, 21, 23, 1700];
        const DAY: &[u32] = &[1082, 1114, 1184];
        const JSON: &[u32] = &[114, 3802];
        const LIST: &[u32] = &[1002, 1009, 1014, 1015];
        const RANGE: &[u32] = &[3912, 3913, 4535, 6155];
        let kinds: &[&[u32]] = match self {
            Role::Receipt | Role::Stage | Role::Document | Role::CaseType | Role::Hall | Role::Waybill => {
                &[TEXT, WHOLE]
            }
            Role::Factor => &[TEXT, WHOLE, DAY, &[17]],
            Role::AcceptedOn | Role::StageOn => &[TEXT, DAY, &[20, 23]],
            Role::Pauses => &[TEXT, JSON, RANGE],
            Role::Items => &[TEXT, JSON, LIST],
            Role::Minor => &[TEXT, WHOLE, &[16]],
            Role::Version => &[WHOLE, DAY],
        };
        type_id >= FIRST_OWN_TYPE || kinds.iter().any(|kind| kind.contains(&type_id))
    }
}

/// How many there are.
pub(super) const ROLES: usize = 13;
/// Object ids below are PostgreSQL's own.
const FIRST_OWN_TYPE: u32 = 16_384;
