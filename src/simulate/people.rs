//! Who arrives, what they come for, and who comes back: all behaviour, no words.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveTime, Utc};
use rand::Rng;
use rand::distributions::{Distribution, WeightedIndex};
use rand::seq::SliceRandom;

use super::Activity;
use super::plan::{Chances, Plan, geometric};
use super::voice::Voice;
use super::world::{ThemeRates, World};

/// Days that count as a user's beginning; what happens in them may act on the return.
const FIRST_WEEK: u32 = 7;

/// A simulated user.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: String,
    /// Index into the world's levels.
    pub(super) level: usize,
    pub(super) voice: Voice,
    /// Day of the first conversation, from the start of the period.
    pub(super) arrival: u32,
    /// Own themes, the dearest first; indices into the themes by name.
    pub(super) tastes: Vec<usize>,
    /// Themes of the conversations in the first week, sorted, once each.
    pub(super) first_week: Vec<usize>,
    /// Met friction in the first week.
    pub(super) met_friction: bool,
    /// Came back in days 7..=13; `None` when the period ends before.
    pub(super) returned: Option<bool>,
    locale: &'static str,
    platform: &'static str,
}

/// A conversation about to be held.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) at: DateTime<Utc>,
    /// Index into the people.
    pub(super) person: usize,
    /// Index into the themes by name.
    pub(super) theme: usize,
    pub(super) plan: Plan,
    model: &'static str,
}

/// Everybody and everything they did.
#[derive(Debug)]
pub(super) struct Population {
    pub(super) people: Vec<Person>,
    pub(super) visits: Vec<Visit>,
    pub(super) activity: Vec<Activity>,
}

/// Simulates users until they have held `conversations` conversations.
pub(super) fn populate(world: &World, conversations: usize, rng: &mut impl Rng) -> Population {
    let mut crowd = Crowd::new(world, conversations);
    while crowd.population.visits.len() < conversations {
        crowd.admit(rng);
    }
    crowd.population
}

/// Columns of a conversation that come from its user and its time.
pub(super) fn metadata(world: &World, person: &Person, visit: &Visit) -> BTreeMap<String, String> {
    let day = (visit.at.date_naive() - world.start).num_days();
    let release = if day < i64::from(world.days / 2) { "2.3" } else { "2.4" };
    let columns = [
        ("release", release),
        ("locale", person.locale),
        ("platform", person.platform),
        ("model", visit.model),
    ];
    columns.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The population in the making.
struct Crowd<'a> {
    world: &'a World,
    rates: Vec<ThemeRates>,
    levels: Option<WeightedIndex<f64>>,
    traffic: Option<WeightedIndex<f64>>,
    wanted: usize,
    population: Population,
}

impl<'a> Crowd<'a> {
    fn new(world: &'a World, wanted: usize) -> Crowd<'a> {
        let rates: Vec<ThemeRates> = world.themes.values().copied().collect();
        Crowd {
            world,
            // A world that was not checked may have no weights: then everything is the first kind.
            levels: WeightedIndex::new(world.levels.iter().map(|level| level.share)).ok(),
            traffic: WeightedIndex::new(rates.iter().map(|rates| rates.traffic)).ok(),
            rates,
            wanted,
            population: Population {
                people: Vec::new(),
                visits: Vec::with_capacity(wanted),
                activity: Vec::new(),
            },
        }
    }

    /// One user, from arrival to the end of the period.
    fn admit(&mut self, rng: &mut impl Rng) {
        let mut person = self.meet(rng);
        let from = self.population.visits.len();
        self.begin(&mut person, rng);
        self.learn(&mut person, from);
        self.come_back(&mut person, rng);
        self.record(&person, from, rng);
        self.population.people.push(person);
    }

    fn meet(&self, rng: &mut impl Rng) -> Person {
        let locales = [("en-US", 50), ("en-GB", 20), ("en-IN", 12), ("en-AU", 8), ("en-CA", 10)];
        let platforms = [("web", 55), ("mac", 12), ("windows", 15), ("ios", 10), ("android", 8)];
        Person {
            id: format!("u{:06}", self.population.people.len() + 1),
            level: weighted(self.levels.as_ref(), rng),
            voice: Voice::draw(rng),
            arrival: rng.gen_range(0..self.world.arrival_days),
            tastes: self.tastes(rng),
            first_week: Vec::new(),
            met_friction: false,
            returned: None,
            locale: locales.choose_weighted(rng, |it| it.1).map_or("en-US", |it| it.0),
            platform: platforms.choose_weighted(rng, |it| it.1).map_or("web", |it| it.0),
        }
    }

    /// One to three themes of one's own.
    fn tastes(&self, rng: &mut impl Rng) -> Vec<usize> {
        let count = 1 + geometric(0.55, 2, rng);
        let mut tastes = Vec::with_capacity(count);
        // Bounded: with a single theme of any weight, a second taste is never found.
        for _ in 0..20 {
            let theme = weighted(self.traffic.as_ref(), rng);
            if tastes.len() < count && !tastes.contains(&theme) {
                tastes.push(theme);
            }
        }
        tastes
    }

    /// The first conversation and those of the six days after it.
    fn begin(&mut self, person: &mut Person, rng: &mut impl Rng) {
        self.visit(person, 0, rng);
        let more = poisson(self.level(person, |level| level.first_week), rng);
        for _ in 0..more {
            let day = rng.gen_range(0..FIRST_WEEK);
            self.visit(person, day, rng);
        }
        for day in 1..FIRST_WEEK {
            if rng.gen_bool(0.1) {
                self.open_app(person, day, rng);
            }
        }
    }

    /// Holds one conversation on a day counted from arrival, if the period and the number wanted allow.
    fn visit(&mut self, person: &Person, day: u32, rng: &mut impl Rng) {
        if person.arrival + day >= self.world.days || self.population.visits.len() >= self.wanted {
            return;
        }
        let theme = self.theme(person, rng);
        let chances = Chances {
            friction: self.rates[theme].friction,
            closing: self.world.closing_share,
            long: self.world.long_share,
        };
        let visit = Visit {
            at: self.moment(person, day, rng),
            person: self.population.people.len(),
            theme,
            plan: Plan::draw(chances, rng),
            model: if rng.gen_bool(0.7) { "atlas-2" } else { "atlas-2-mini" },
        };
        self.population.visits.push(visit);
    }

    fn theme(&self, person: &Person, rng: &mut impl Rng) -> usize {
        if !rng.gen_bool(self.world.taste_share) {
            return weighted(self.traffic.as_ref(), rng);
        }
        let weights = [0.6, 0.28, 0.12];
        let own: Vec<(usize, f64)> = person.tastes.iter().copied().zip(weights).collect();
        own.choose_weighted(rng, |it| it.1).map_or(0, |it| it.0)
    }

    /// Daytime, most often around the middle of it.
    fn moment(&self, person: &Person, day: u32, rng: &mut impl Rng) -> DateTime<Utc> {
        let date = self.world.start + Duration::days(i64::from(person.arrival + day));
        let seconds = 7 * 3600 + (rng.gen_range(0..13 * 3600) + rng.gen_range(0..13 * 3600)) / 2;
        date.and_time(NaiveTime::MIN).and_utc() + Duration::seconds(seconds)
    }

    /// Takes stock of the first week.
    fn learn(&self, person: &mut Person, from: usize) {
        let visits = &self.population.visits[from..];
        person.met_friction = visits.iter().any(|visit| visit.plan.friction);
        person.first_week = visits.iter().map(|visit| visit.theme).collect();
        person.first_week.sort_unstable();
        person.first_week.dedup();
    }

    /// Decides every later week, and fills those with a return.
    fn come_back(&mut self, person: &mut Person, rng: &mut impl Rng) {
        let friction = if person.met_friction { self.world.friction_effect } else { 0.0 };
        let themes: f64 = person.first_week.iter().map(|&theme| self.rates[theme].return_effect).sum();
        let mut base = self.level(person, |level| level.returns);
        let mut week = FIRST_WEEK;
        while person.arrival + week < self.world.days {
            let returns = rng.gen_bool((base + friction + themes).clamp(0.0, 1.0));
            if returns {
                self.active_week(person, week, rng);
            }
            if week == FIRST_WEEK && person.arrival + week + 6 < self.world.days {
                person.returned = Some(returns);
            }
            base *= self.world.weekly_decay;
            week += 7;
        }
    }

    /// One to four active days, with conversations on some of them.
    fn active_week(&mut self, person: &Person, week: u32, rng: &mut impl Rng) {
        let days: Vec<u32> = (0..=geometric(0.4, 3, rng)).map(|_| week + rng.gen_range(0..7)).collect();
        for &day in &days {
            self.open_app(person, day, rng);
        }
        let conversations = poisson(self.level(person, |level| level.later_week), rng);
        for _ in 0..conversations {
            let day = days.choose(rng).copied().unwrap_or(week);
            self.visit(person, day, rng);
        }
    }

    fn open_app(&mut self, person: &Person, day: u32, rng: &mut impl Rng) {
        if person.arrival + day < self.world.days {
            let at = self.moment(person, day, rng);
            self.population.activity.push(Activity { user_id: person.id.clone(), at, event: "app_open" });
        }
    }

    /// Spreads the user's conversations so that none runs into the next, and enters them as activity.
    fn record(&mut self, person: &Person, from: usize, rng: &mut impl Rng) {
        let visits = &mut self.population.visits[from..];
        visits.sort_by_key(|visit| visit.at);
        for at in 1..visits.len() {
            let earliest = visits[at - 1].at + Duration::minutes(50);
            visits[at].at = visits[at].at.max(earliest);
        }
        for visit in visits {
            let entry = |at, event| Activity { user_id: person.id.clone(), at, event };
            let opened = visit.at - Duration::seconds(rng.gen_range(10..240));
            self.population.activity.push(entry(opened, "app_open"));
            self.population.activity.push(entry(visit.at, "conversation"));
        }
    }

    fn level(&self, person: &Person, field: impl Fn(&super::Level) -> f64) -> f64 {
        self.world.levels.get(person.level).map_or(0.0, field)
    }
}

fn weighted(weights: Option<&WeightedIndex<f64>>, rng: &mut impl Rng) -> usize {
    weights.map_or(0, |weights| weights.sample(rng))
}

/// A Poisson count by Knuth's product of uniforms (The Art of Computer Programming, 3.4.1);
/// fine for means up to a few dozen.
fn poisson(mean: f64, rng: &mut impl Rng) -> usize {
    let limit = (-mean).exp();
    let (mut count, mut product) = (0, rng.r#gen::<f64>());
    while product > limit {
        count += 1;
        product *= rng.r#gen::<f64>();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn poisson_has_its_mean() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        let mean = (0..20_000).map(|_| poisson(1.2, &mut rng)).sum::<usize>() as f64 / 20_000.0;
        assert!((mean - 1.2).abs() < 0.04, "{mean}");
    }

    #[test]
    fn nobody_acts_outside_the_period_or_before_arrival() {
        let world = World { days: 20, arrival_days: 20, ..World::default() };
        let population = populate(&world, 3_000, &mut Xoshiro256PlusPlus::seed_from_u64(9));
        let day = |at: DateTime<Utc>| (at.date_naive() - world.start).num_days();
        assert!(population.activity.iter().all(|entry| (0..20).contains(&day(entry.at))));
        for visit in &population.visits {
            assert!(day(visit.at) >= i64::from(population.people[visit.person].arrival));
        }
        let unseen = population.people.iter().filter(|person| person.arrival + 13 >= 20);
        assert!(unseen.clone().count() > 0 && unseen.into_iter().all(|person| person.returned.is_none()));
    }
}
