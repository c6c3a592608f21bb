//! The words of the invented world: genre names, titles, one-line summaries.
//! Must not know tastes: a text tells the genres of a work and nothing else of its place.

use crate::rng::ChaCha8Rng;
use rand::RngExt;
use std::collections::HashSet;

/// What people of the invented world do.
#[rustfmt::skip]
pub(super) const OCCUPATIONS: [&str; 16] = [
    "artist", "baker", "carpenter", "clerk", "driver", "engineer", "farmer", "gardener", "lawyer", "nurse",
    "programmer", "retired", "sailor", "student", "teacher", "writer",
];

/// The words of one genre.
struct Genre {
    name: &'static str,
    /// "The Silent Harbour": what titles are about.
    nouns: [&'static str; 8],
    /// Who acts, with article.
    heroes: [&'static str; 6],
    /// What they must do.
    deeds: [&'static str; 6],
    /// Where.
    places: [&'static str; 5],
}

/// The names of the genres; past the named ones they are numbered.
pub(super) fn genre_names(n: usize) -> Vec<String> {
    (0..n)
        .map(|k| match GENRES.get(k) {
            Some(genre) => genre.name.to_owned(),
            None => format!("Genre {}", k + 1),
        })
        .collect()
}

fn pick<'a>(words: &[&'a str], rng: &mut ChaCha8Rng) -> &'a str {
    words[rng.random_range(0..words.len())]
}

/// A title no other work of the world has, and a line about the work.
pub(super) fn title_and_summary(
    genres: &[usize],
    year: u16,
    taken: &mut HashSet<String>,
    rng: &mut ChaCha8Rng,
) -> (String, String) {
    let of = |k: usize| &GENRES[genres[k % genres.len()] % GENRES.len()];
    let first = rng.random_range(0..genres.len());
    let name = loop {
        let (noun, other) = (pick(&of(first).nouns, rng), pick(&of(first + 1).nouns, rng));
        let adjective = pick(&ADJECTIVES, rng);
        let name = match rng.random_range(0..6) {
            0 | 1 => format!("The {adjective} {noun}"),
            2 => format!("{adjective} {noun}"),
            3 => format!("{noun} of the {other}"),
            4 => format!("{} {noun}", pick(&NAMES, rng)),
            _ => format!("The {noun} and the {adjective} {other}"),
        };
        if !taken.contains(&name) {
            break name;
        }
        // Crowded worlds fall back on sequels.
        if let Some(sequel) = (2..=9).map(|n| format!("{name} {n}")).find(|name| !taken.contains(name)) {
            break sequel;
        }
        if taken.len() > 100_000 {
            break format!("{name} No. {}", taken.len());
        }
    };
    taken.insert(name.clone());
    let summary = format!(
        "{} must {} {}.",
        pick(&of(first).heroes, rng),
        pick(&of(first + 1).deeds, rng),
        pick(&of(first + 2).places, rng)
    );
    (format!("{name} ({year})"), summary)
}

#[rustfmt::skip]
const ADJECTIVES: [&str; 48] = [
    "Silent", "Broken", "Golden", "Last", "Hidden", "Crimson", "Distant", "Endless", "Frozen", "Gentle",
    "Hollow", "Iron", "Jagged", "Kind", "Lonely", "Midnight", "Narrow", "Open", "Pale", "Quiet", "Restless",
    "Scarlet", "Tender", "Unwritten", "Velvet", "Wandering", "Young", "Ancient", "Bitter", "Careless",
    "Dusty", "Early", "Faithful", "Great", "Humble", "Invisible", "Jealous", "Little", "Marble", "Northern",
    "Old", "Patient", "Rusty", "Second", "Stolen", "Thirteenth", "Upper", "Wild",
];

#[rustfmt::skip]
const NAMES: [&str; 24] = [
    "Ada's", "Bruno's", "Clara's", "Dorian's", "Edith's", "Felix's", "Greta's", "Hugo's", "Ines's",
    "Jonas's", "Klara's", "Leo's", "Mina's", "Nils's", "Olga's", "Pablo's", "Quentin's", "Rosa's", "Sven's",
    "Tilda's", "Ugo's", "Vera's", "Willem's", "Zora's",
];

#[rustfmt::skip]
const GENRES: [Genre; 18] = [
    Genre {
        name: "Action",
        nouns: ["Strike", "Bullet", "Convoy", "Target", "Ambush", "Runway", "Detonator", "Pursuit"],
        heroes: [
            "A retired commando", "A reckless stunt driver", "A disgraced bodyguard", "A lone marksman",
            "An elite rescue team", "A bomb disposal expert",
        ],
        deeds: [
            "stop a hijacked convoy", "outrun a private army", "defuse a chain of explosives",
            "fight through forty armed floors", "rescue hostages before the deadline",
            "chase down a rogue squad",
        ],
        places: [
            "on a burning oil platform", "across the rooftops of a besieged city",
            "aboard a runaway express", "inside a locked-down airport", "on a collapsing motorway",
        ],
    },
    Genre {
        name: "Adventure",
        nouns: ["Expedition", "Compass", "Island", "Summit", "Voyage", "Jungle", "Treasure", "Caravan"],
        heroes: [
            "A stubborn mapmaker", "A shipwrecked crew", "A young explorer", "A treasure hunter",
            "A mountain guide", "An orphaned sailor",
        ],
        deeds: [
            "follow a torn map", "cross an uncharted sea", "find a lost expedition",
            "climb a forbidden peak", "carry a relic home", "survive a season of storms",
        ],
        places: [
            "deep in an unmapped jungle", "beyond the last island", "along an abandoned caravan road",
            "above the clouds of a nameless range", "in the ruins of a drowned port",
        ],
    },
    Genre {
        name: "Animation",
        nouns: [
            "Teapot", "Paintbrush", "Puppet", "Cartoon", "Snowflake", "Marionette", "Crayon", "Lantern",
        ],
        heroes: [
            "A talking teapot", "A paper dragon", "A clockwork mouse", "A shy snow creature",
            "A hand-drawn boy", "A choir of singing fish",
        ],
        deeds: [
            "paint the colours back", "teach a shadow to dance", "win the great kite race",
            "escape from an unfinished sketchbook", "wake the sleeping toys", "fly a balloon to the stars",
        ],
        places: [
            "in a kingdom made of paper", "inside a toymaker's attic", "under a watercolour sea",
            "in a village of clouds", "on the last page of a picture book",
        ],
    },
    Genre {
        name: "Children's",
        nouns: ["Puppy", "Treehouse", "Birthday", "Kitten", "Playground", "Sandcastle", "Pony", "Pocket"],
        heroes: [
            "A homesick puppy", "A curious schoolgirl", "A boy with a secret treehouse",
            "A band of small cousins", "A runaway pony", "A kindergarten detective",
        ],
        deeds: [
            "find the way home for the holidays", "save the school fair", "befriend a grumpy neighbour",
            "keep a baby seal hidden", "build the biggest sandcastle", "learn to share a secret",
        ],
        places: [
            "behind the old playground", "at grandmother's farm", "during the longest summer vacation",
            "in a treehouse with no ladder", "at a very small zoo",
        ],
    },
    Genre {
        name: "Comedy",
        nouns: [
            "Wedding", "Roommate", "Blunder", "Casserole", "Neighbour", "Moustache", "Cousin", "Reunion",
        ],
        heroes: [
            "A hopeless wedding planner", "A clumsy magician", "Two bickering roommates", "A fake dentist",
            "An overconfident uncle", "A substitute mayor",
        ],
        deeds: [
            "survive a disastrous family dinner", "pretend to be a famous chef", "hide a stolen moustache",
            "sell a house nobody wants", "fake an engagement", "win a ridiculous baking contest",
        ],
        places: [
            "at the worst hotel in town", "during a chaotic reunion", "in an office with no manager",
            "on an overbooked cruise", "at a wedding without a groom",
        ],
    },
    Genre {
        name: "Crime",
        nouns: ["Heist", "Alibi", "Syndicate", "Ledger", "Getaway", "Informant", "Vault", "Fence"],
        heroes: [
            "A tired safecracker", "A crooked accountant", "A small-time smuggler",
            "An undercover constable", "A gangster's daughter", "A getaway driver",
        ],
        deeds: [
            "pull one final heist", "pay off a ruthless syndicate", "launder a stolen fortune",
            "betray a powerful boss", "forge a perfect alibi", "divide the loot before dawn",
        ],
        places: [
            "in the back rooms of a casino", "along the corrupt waterfront", "inside an impregnable vault",
            "on the wrong side of the river", "behind the walls of a state prison",
        ],
    },
    Genre {
        name: "Documentary",
        nouns: ["Archive", "Glacier", "Chronicle", "Harvest", "Orchard", "Witness", "Census", "Reef"],
        heroes: [
            "A patient film crew", "A village of beekeepers", "A retired geologist",
            "A generation of miners", "The last lighthouse keepers", "A team of archivists",
        ],
        deeds: [
            "record a vanishing craft", "count the birds of a continent", "tell what the records left out",
            "follow a river to its source", "measure a melting glacier", "remember a forgotten strike",
        ],
        places: [
            "over four real seasons", "in never-seen archive footage", "along a dying coral reef",
            "in the valleys of a mining region", "through letters and interviews",
        ],
    },
    Genre {
        name: "Drama",
        nouns: [
            "Harbour", "Inheritance", "Letter", "Promise", "Winter", "Daughter", "Silence", "Farewell",
        ],
        heroes: [
            "A grieving widow", "A disillusioned teacher", "An estranged son", "A struggling violinist",
            "Two sisters", "A factory nurse",
        ],
        deeds: [
            "face a long-buried secret", "forgive an absent father", "raise a child alone",
            "keep the family farm", "choose between duty and truth", "live with a terrible decision",
        ],
        places: [
            "in a small harbour town", "through one hard winter", "in the house where they grew up",
            "after the factory closes", "at the edge of a divided city",
        ],
    },
    Genre {
        name: "Fantasy",
        nouns: ["Dragon", "Crown", "Sorcerer", "Oracle", "Enchantment", "Griffin", "Prophecy", "Wand"],
        heroes: [
            "A banished sorceress", "A blacksmith's apprentice", "A reluctant heir", "A dragon rider",
            "A half-elf thief", "A cursed knight",
        ],
        deeds: [
            "break an ancient curse", "return a stolen crown", "outwit a witch queen",
            "tame the final dragon", "fulfil an unwanted prophecy", "guard the gate between realms",
        ],
        places: [
            "in an enchanted forest", "beyond the gates of the elven realm",
            "in a castle that moves by night", "under the wizards' mountain", "in a land without shadows",
        ],
    },
    Genre {
        name: "Film-Noir",
        nouns: ["Shadow", "Cigarette", "Alley", "Nightclub", "Blonde", "Fedora", "Double", "Downpour"],
        heroes: [
            "A bitter private eye", "A nightclub singer", "A doomed insurance man", "A femme fatale",
            "A washed-up boxer", "A reporter with debts",
        ],
        deeds: [
            "trail a faithless husband", "clear a murdered partner's name", "refuse a poisoned bargain",
            "cover up an accidental killing", "burn an incriminating negative", "trust the wrong woman",
        ],
        places: [
            "in rain-soaked back alleys", "under a flickering neon sign", "in a smoke-filled nightclub",
            "on a foggy pier at midnight", "behind venetian blinds",
        ],
    },
    Genre {
        name: "Horror",
        nouns: ["Cellar", "Scream", "Haunting", "Coffin", "Bloodline", "Asylum", "Creature", "Seance"],
        heroes: [
            "A sleepless babysitter", "A cursed family", "A possessed organist", "A group of lost campers",
            "A village priest", "A night-shift mortician",
        ],
        deeds: [
            "survive until sunrise", "bury what will not stay dead", "silence the voices in the walls",
            "escape a masked slasher", "exorcise a vengeful spirit", "feed the thing in the cellar",
        ],
        places: [
            "in a haunted asylum", "beneath an abandoned chapel", "in a cabin with no exits",
            "among the graves of a plague town", "in a house that remembers",
        ],
    },
    Genre {
        name: "Musical",
        nouns: ["Chorus", "Serenade", "Footlights", "Melody", "Overture", "Tango", "Ballad", "Encore"],
        heroes: [
            "A tap-dancing plumber", "A shy understudy", "A travelling jazz band", "A street singer",
            "A choir of dockers", "A retired ballerina",
        ],
        deeds: [
            "put on a show in five days", "sing the lead on opening night", "write one perfect song",
            "win the ballroom trophy", "bring the orchestra back together", "dance out of a contract",
        ],
        places: [
            "on the stage of a bankrupt theatre", "in a dance hall by the sea", "backstage on Broadway",
            "at a carnival of song", "under the footlights of a music hall",
        ],
    },
    Genre {
        name: "Mystery",
        nouns: ["Clue", "Riddle", "Manor", "Disappearance", "Keyhole", "Cipher", "Suspect", "Portrait"],
        heroes: [
            "An amateur sleuth", "A retired inspector", "A meticulous librarian", "A blind witness",
            "A nosy landlady", "A forensic clockmaker",
        ],
        deeds: [
            "solve an impossible disappearance", "question eleven suspects", "decipher a coded diary",
            "unmask the anonymous letter writer", "find the missing portrait",
            "explain a locked-room death",
        ],
        places: [
            "at a snowbound manor", "aboard a sleeper train", "in a village that keeps quiet",
            "among the guests of a country house", "in a library after closing",
        ],
    },
    Genre {
        name: "Romance",
        nouns: ["Kiss", "Sweetheart", "Rendezvous", "Bouquet", "Valentine", "Courtship", "Vow", "Heart"],
        heroes: [
            "A lonely florist", "Two pen friends", "A runaway bride", "A charming bookseller",
            "Childhood sweethearts", "A heartbroken pianist",
        ],
        deeds: [
            "admit to being in love", "win back a lost sweetheart", "choose between two suitors",
            "meet again after ten years", "write a hundred love letters", "kiss before the train leaves",
        ],
        places: [
            "in Paris in the spring", "in a bookshop by the canal", "over one unforgettable summer",
            "at a masked ball", "on a honeymoon meant for two others",
        ],
    },
    Genre {
        name: "Sci-Fi",
        nouns: ["Starship", "Android", "Orbit", "Colony", "Paradox", "Reactor", "Nebula", "Signal"],
        heroes: [
            "A stranded astronaut", "A self-aware android", "A time-travelling physicist", "A cloned pilot",
            "A starship medic", "A terraforming crew",
        ],
        deeds: [
            "repair a failing reactor", "decode an alien signal", "close a loop in time",
            "prevent a machine uprising", "wake the sleeping colonists", "land on a living planet",
        ],
        places: [
            "aboard a derelict space station", "on a frozen moon", "in a domed city on Mars",
            "at the edge of a wormhole", "in a simulated century",
        ],
    },
    Genre {
        name: "Thriller",
        nouns: [
            "Conspiracy", "Deadline", "Hostage", "Stalker", "Passport", "Surveillance", "Verdict", "Pulse",
        ],
        heroes: [
            "A hunted journalist", "A paranoid translator", "A kidnapped senator", "A surveillance analyst",
            "A wrongly accused surgeon", "A double agent",
        ],
        deeds: [
            "expose a deadly conspiracy", "stay one step ahead of a stalker", "testify against a minister",
            "find the mole within hours", "deliver a ransom alone", "prove a murder nobody saw",
        ],
        places: [
            "in an embassy under siege", "with every phone tapped", "against a ticking clock",
            "in a city where nobody is who they seem", "between two hostile borders",
        ],
    },
    Genre {
        name: "War",
        nouns: ["Trench", "Regiment", "Armistice", "Bunker", "Frontline", "Medal", "Battalion", "Siege"],
        heroes: [
            "A frightened conscript", "A field surgeon", "A captured pilot", "A resistance courier",
            "A decorated sergeant", "A battalion of recruits",
        ],
        deeds: [
            "hold a bridge against tanks", "carry the wounded through enemy lines",
            "blow up a supply train", "bring the regiment home", "refuse a senseless order",
            "survive the final siege",
        ],
        places: [
            "in the trenches before the armistice", "behind enemy lines", "on a beach under fire",
            "in a bombed-out village", "during the retreat from the front",
        ],
    },
    Genre {
        name: "Western",
        nouns: ["Saddle", "Sheriff", "Canyon", "Stagecoach", "Gunslinger", "Ranch", "Frontier", "Mustang"],
        heroes: [
            "A weary gunslinger", "A widowed rancher", "A drunken sheriff", "A stagecoach robber",
            "A bounty hunter", "A cattle drover",
        ],
        deeds: [
            "defend a frontier town", "drive the herd before winter", "duel a hired gun at noon",
            "track an outlaw gang", "hang up the pistols for good", "reclaim a stolen gold mine",
        ],
        places: [
            "in a dusty canyon", "on the open prairie", "in a saloon at the end of the line",
            "along the railroad frontier", "in a silver town gone to ghosts",
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Streams};

    #[test]
    fn titles_never_repeat_and_texts_are_sentences() {
        let mut taken = HashSet::new();
        let mut titles = HashSet::new();
        for item in 0..5000 {
            let rng = &mut Streams::new(1).stream(Purpose::Synthesis, 1, item, 0);
            let (title, summary) = title_and_summary(&[0, 25], 1994, &mut taken, rng);
            assert!(title.ends_with(" (1994)"), "{title}");
            assert!(summary.ends_with('.'), "{summary}");
            assert!(titles.insert(title));
        }
    }

    #[test]
    fn genre_names_are_in_alphabetical_order() {
        let names: Vec<&str> = GENRES.iter().map(|g| g.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b));
        assert_eq!(genre_names(20)[18..], ["Genre 19", "Genre 20"]);
    }
}
