//! The data-quality section: what could not be used, and what to keep in mind.

use super::Facts;
use super::survey::Survey;
use crate::read::Oddity;
use crate::report::view::{QualityFact, QualityLevel};

/// Every fact, warnings first.
pub fn facts(facts: &Facts<'_>, survey: &Survey) -> Vec<QualityFact> {
    let mut list = records(facts);
    list.extend(oddities(facts));
    list.extend(texts(facts, survey));
    list.extend(users(facts, survey));
    list.sort_by_key(|fact| match fact.level {
        QualityLevel::Warning => 0,
        QualityLevel::Note => 1,
        QualityLevel::Fine => 2,
    });
    list
}

fn fact(label: &str, count: u64, of: Option<u64>, level: QualityLevel, meaning: &str) -> QualityFact {
    QualityFact { label: label.to_owned(), count, of, level, meaning: meaning.to_owned() }
}

/// Fine when there is none, else `level`.
fn unless_none(count: u64, level: QualityLevel) -> QualityLevel {
    if count == 0 { QualityLevel::Fine } else { level }
}

fn records(facts: &Facts<'_>) -> Vec<QualityFact> {
    use QualityLevel::{Note, Warning};
    let read = facts.read;
    let all = Some(read.conversations + read.rejected + read.repeated + read.conflicting);
    let mut list = vec![
        fact(
            "Rejected records",
            read.rejected,
            all,
            unless_none(read.rejected, Warning),
            "Records that could not be used; rejects.jsonl has the place and the reason of each.",
        ),
        fact(
            "Repeated records",
            read.repeated,
            all,
            unless_none(read.repeated, Note),
            "Records equal to another in everything; counted once.",
        ),
        fact(
            "Conflicting conversation ids",
            read.conflicting,
            all,
            unless_none(read.conflicting, Warning),
            "Records with the id of another that has more turns; the fuller one is used.",
        ),
    ];
    let empty = read.files.iter().filter(|file| file.format.is_none()).count() as u64;
    if empty > 0 {
        let files = Some(read.files.len() as u64);
        list.push(fact(
            "Files without a record",
            empty,
            files,
            Warning,
            "Nothing in these files could be read as a conversation.",
        ));
    }
    if read.outside > 0 {
        list.push(fact(
            "Outside the period",
            read.outside,
            None,
            Note,
            "Conversations outside [input] since..until, or undated.",
        ));
    }
    list
}

fn oddities(facts: &Facts<'_>) -> Vec<QualityFact> {
    let seen =
        Oddity::ALL.into_iter().filter_map(|oddity| Some((oddity, *facts.read.oddities.get(oddity.name())?)));
    seen.map(|(oddity, count)| {
        let level = match oddity {
            Oddity::CutOff
            | Oddity::CutBody
            | Oddity::InvalidUtf8
            | Oddity::UnknownRole
            | Oddity::BadTime => QualityLevel::Warning,
            _ => QualityLevel::Note,
        };
        let mut label = oddity.name().replace('_', " ");
        label[..1].make_ascii_uppercase();
        fact(&label, count, None, level, oddity.meaning())
    })
    .collect()
}

fn texts(facts: &Facts<'_>, survey: &Survey) -> Vec<QualityFact> {
    use QualityLevel::{Note, Warning};
    let (encoded, all) = (facts.encoded, facts.read.conversations);
    let mut list = vec![
        fact(
            "Without a user turn",
            survey.without_user_turns,
            Some(all),
            if survey.without_user_turns * 10 > all {
                Warning
            } else {
                unless_none(survey.without_user_turns, Note)
            },
            "Conversations in which the user says nothing: in no theme, without tone.",
        ),
        fact(
            "Without any reply",
            all - survey.answered.min(all),
            Some(all),
            if (all - survey.answered.min(all)) * 10 > all {
                Warning
            } else {
                unless_none(all - survey.answered.min(all), Note)
            },
            "Conversations without one turn of the assistant. They count as abandoned: if the export leaves replies \
             out, abandonment and grades say nothing.",
        ),
        fact(
            "Without a date",
            survey.undated,
            Some(all),
            unless_none(survey.undated, Note),
            "Conversations without a start: missing from every chart over time and from retention.",
        ),
        fact(
            "Without a request",
            facts.themes.silent,
            Some(all),
            unless_none(facts.themes.silent, Note),
            "Conversations of greetings, thanks or nothing at all: in no theme.",
        ),
        fact(
            "Shortened texts",
            encoded.shortened,
            Some(encoded.texts),
            unless_none(encoded.shortened, Note),
            "Very long user turns of which the encoder read the first 762 and the last 254 tokens.",
        ),
    ];
    if !facts.themes.skipped.is_empty() {
        let told: Vec<String> = facts
            .themes
            .skipped
            .iter()
            .map(|skipped| format!("{}: {}", skipped.theme, skipped.reason))
            .collect();
        let meaning = format!("Changes made by hand that do not hold any more. {}.", told.join("; "));
        list.push(fact("Skipped changes of themes", told.len() as u64, None, Warning, &meaning));
    }
    if facts.themes.noise > 0 {
        list.push(fact(
            "In no theme",
            facts.themes.noise,
            Some(all),
            Note,
            "Conversations like no other: they belong to no theme.",
        ));
    }
    list
}

fn users(facts: &Facts<'_>, survey: &Survey) -> Vec<QualityFact> {
    use QualityLevel::{Note, Warning};
    let (counts, all) = (&facts.outcomes.counts, facts.read.conversations);
    let mut list = Vec::new();
    if facts.outcomes.retention.is_none() {
        let meaning =
            "No conversation has both a user id and a time, so nothing can be said about retention.";
        return vec![fact("Without user and time", all, Some(all), Warning, meaning)];
    }
    if counts.conversations_without_user + counts.conversations_without_time > 0 {
        let count = counts.conversations_without_user + counts.conversations_without_time;
        list.push(fact(
            "Without user or time",
            count,
            Some(all),
            Note,
            "Conversations that retention cannot use.",
        ));
    }
    if let Some(activity) = &facts.read.activity {
        let known = survey.users;
        let none = counts.users_in_both == 0;
        list.push(fact(
            "Users without activity",
            counts.users_in_conversations_only,
            Some(known),
            if none { Warning } else { unless_none(counts.users_in_conversations_only, Note) },
            if none {
                "Not one user of the conversations is in the activity table: are the ids the same? Everybody counts as gone."
            } else {
                "Users with conversations and no row in the activity table: they count as never returned."
            },
        ));
        list.push(fact(
            "Users without conversations",
            counts.users_in_activity_only,
            None,
            unless_none(counts.users_in_activity_only, Note),
            "Users of the activity table who hold no dated conversation: they count for nothing.",
        ));
        list.push(fact(
            "Rejected activity rows",
            activity.rejected,
            Some(activity.rows + activity.rejected),
            unless_none(activity.rejected, Warning),
            "Rows without a user or a readable time; rejects.jsonl lists them.",
        ));
        if activity.zoneless > 0 {
            list.push(fact(
                "Activity times without a zone",
                activity.zoneless,
                Some(activity.rows),
                Note,
                "Read in the configured zone.",
            ));
        }
        if activity.truncated {
            list.push(fact(
                "Activity table cut off",
                1,
                None,
                Warning,
                "The file ends in the middle; every row before the cut was read.",
            ));
        }
    }
    list
}
