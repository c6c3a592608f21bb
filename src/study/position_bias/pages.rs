//! Pages as click models see them: what stood in each slot, and what was watched.
//! Must not know where pages come from, nor what the kinds of items mean.

/// Full pages of one width, in the order in which they were put in.
#[derive(Clone, Debug, PartialEq)]
pub struct Pages {
    n_slots: usize,
    n_persons: usize,
    n_kinds: usize,
    persons: Vec<u32>,
    kinds: Vec<u32>,
    watched: Vec<bool>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Page<'a> {
    /// Whose it was.
    pub person: u32,
    /// What stood in each slot: items of one kind have one attractiveness.
    pub kinds: &'a [u32],
    /// Whether it was watched, by slot.
    pub watched: &'a [bool],
}

impl Pages {
    /// No pages yet; they will have `n_slots` slots, persons below `n_persons`, kinds below `n_kinds`.
    ///
    /// # Panics
    /// When pages have no slots.
    pub fn new(n_slots: usize, n_persons: usize, n_kinds: usize) -> Self {
        assert!(n_slots > 0, "a page has slots");
        Pages { n_slots, n_persons, n_kinds, persons: Vec::new(), kinds: Vec::new(), watched: Vec::new() }
    }

    /// Adds a page.
    ///
    /// # Panics
    /// When it has another width, or a person or kind that is out of range.
    pub fn push(&mut self, page: Page<'_>) {
        assert_eq!(page.kinds.len(), self.n_slots, "a full page");
        assert_eq!(page.watched.len(), self.n_slots, "one answer a slot");
        assert!((page.person as usize) < self.n_persons, "person {} of {}", page.person, self.n_persons);
        assert!(
            page.kinds.iter().all(|&kind| (kind as usize) < self.n_kinds),
            "kinds below {}",
            self.n_kinds
        );
        self.persons.push(page.person);
        self.kinds.extend_from_slice(page.kinds);
        self.watched.extend_from_slice(page.watched);
    }

    /// Every page.
    pub fn iter(&self) -> impl Iterator<Item = Page<'_>> {
        let slots = self.kinds.chunks_exact(self.n_slots).zip(self.watched.chunks_exact(self.n_slots));
        self.persons.iter().zip(slots).map(|(&person, (kinds, watched))| Page { person, kinds, watched })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.persons.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.persons.is_empty()
    }

    /// Slots of a page.
    pub fn n_slots(&self) -> usize {
        self.n_slots
    }

    /// Persons there may be.
    pub fn n_persons(&self) -> usize {
        self.n_persons
    }

    /// Kinds there may be.
    pub fn n_kinds(&self) -> usize {
        self.n_kinds
    }

    /// Share of slots that were watched, a person's counting by its weight; 0 where there are none.
    pub fn watch_rate(&self, weights: &[f64]) -> f64 {
        let (mut n_shown, mut n_watched) = (0.0, 0.0);
        for page in self.iter() {
            let weight = weights[page.person as usize];
            n_shown += weight * self.n_slots as f64;
            n_watched += weight * page.watched.iter().filter(|&&watched| watched).count() as f64;
        }
        if n_shown > 0.0 { n_watched / n_shown } else { 0.0 }
    }
}
