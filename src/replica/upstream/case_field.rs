//! The fields of a case that an upstream's columns may hold.

/// A field of a case that a column may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseField {
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
    /// The waybill number; its last four digits are kept.
    Waybill,
    /// Whether the applicant is a minor.
    Minor,
    /// The case's version.
    Version,
}

impl CaseField {
    /// Every role, in the order of a copied row.
    pub const ALL: [CaseField; ROLES] = [
        CaseField::Receipt,
        CaseField::Factor,
        CaseField::Stage,
        CaseField::Document,
        CaseField::CaseType,
        CaseField::Hall,
        CaseField::AcceptedOn,
        CaseField::StageOn,
        CaseField::Pauses,
        CaseField::Items,
        CaseField::Waybill,
        CaseField::Minor,
        CaseField::Version,
    ];

    /// As it is called in the settings.
    pub fn name(self) -> &'static str {
        match self {
            CaseField::Receipt => "receipt",
            CaseField::Factor => "id_tail, birth_date or verifier",
            CaseField::Stage => "stage",
            CaseField::Document => "document",
            CaseField::CaseType => "case_type",
            CaseField::Hall => "hall",
            CaseField::AcceptedOn => "accepted_on",
            CaseField::StageOn => "stage_on",
            CaseField::Pauses => "pauses",
            CaseField::Items => "items",
            CaseField::Waybill => "waybill",
            CaseField::Minor => "minor",
            CaseField::Version => "version",
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
            CaseField::Receipt
            | CaseField::Stage
            | CaseField::Document
            | CaseField::CaseType
            | CaseField::Hall
            | CaseField::Waybill => &[TEXT, WHOLE],
            CaseField::Factor => &[TEXT, WHOLE, DAY, &[17]],
            CaseField::AcceptedOn | CaseField::StageOn => &[TEXT, DAY, &[20, 23]],
            CaseField::Pauses => &[TEXT, JSON, RANGE],
            CaseField::Items => &[TEXT, JSON, LIST],
            CaseField::Minor => &[TEXT, WHOLE, &[16]],
            CaseField::Version => &[WHOLE, DAY],
        };
        type_id >= FIRST_OWN_TYPE || kinds.iter().any(|kind| kind.contains(&type_id))
    }
}

/// How many there are.
pub(super) const ROLES: usize = 13;
/// Object ids below are PostgreSQL's own.
const FIRST_OWN_TYPE: u32 = 16_384;
