"""Expressions that mean something else than their words: a test for what a model makes of words *together*.

A hot dog is no warm pet. Each expression comes with its meaning, which shares no word with it, and with a decoy that
takes its words literally. Whoever adds up the words one by one falls for the decoy.
"""

_TEXT = """
hot dog | a sausage served in a bun | a warm puppy
couch potato | someone who watches television all day | a vegetable lying on the sofa
red tape | slow and needless bureaucracy | a crimson ribbon
cold feet | sudden fear just before doing something | freezing toes
black sheep | the disgraced member of a family | a dark woolly animal
guinea pig | the person on whom something is tried out | a hog from Africa
soap opera | a never-ending television drama | singing while one washes
white lie | a small untruth told out of politeness | a statement in pale letters
piggy bank | a box in which a child saves money | a financial office for swine
rush hour | the time when traffic is heaviest | sixty minutes of hurry
brain drain | when educated people leave for other countries | fluid that runs out of the head
dark horse | a competitor about whom little is known | a brown pony at night
kick the bucket | to die | to hit a pail with the foot
spill the beans | to reveal a secret | to drop legumes on the floor
break the ice | to ease the tension when people first meet | to crush something frozen
piece of cake | something very easy to do | a slice of dessert
under the weather | feeling slightly ill | beneath the clouds
once in a blue moon | very rarely | when the satellite has the colour of the sky
hit the sack | to go to sleep | to punch a large bag
cost an arm and a leg | to be extremely expensive | to lose two limbs
let the cat out of the bag | to disclose something confidential by mistake | to free a pet from a sack
beat around the bush | to avoid the main topic | to strike a shrub from all sides
bite the bullet | to accept something unpleasant bravely | to chew on ammunition
raining cats and dogs | pouring heavily | animals falling down from the sky
big apple | New York City | a large fruit
white house | the home of the American president | a building painted in a pale colour
iron curtain | the border between East and West in the Cold War | a metal drape
green thumb | a talent for gardening | a painted finger
blue blood | noble birth | a coloured liquid in the veins
hot potato | a controversial topic nobody wants to handle | a boiled vegetable
cold turkey | quitting an addiction abruptly | a chilled bird
wild goose chase | a hopeless search | hunting birds in a swamp
elephant in the room | an obvious problem that everyone ignores | a huge animal inside the house
last straw | the final annoyance that makes one lose patience | the end of the hay
rule of thumb | a rough practical guideline | the reign of a finger
nest egg | money put aside for old age | what a bird lays
crocodile tears | a false show of sorrow | drops from the eyes of a reptile
lame duck | a politician who is about to leave office | a bird that limps
ivory tower | a place for scholars far from everyday life | a tall building made of tusks
silver lining | the good side of a bad situation | a metallic layer inside a coat
night owl | someone who stays awake until late | a bird that hunts in the dark
early bird | somebody who gets up at dawn | a young robin in the morning
snail mail | letters sent by post | a message about slow molluscs
milky way | the galaxy in which we live | a road covered with dairy drink
greenhouse effect | the warming of the planet by gases in the air | what a glass shed does to its plants
bull market | a time when share prices rise | a place where cattle are sold
pipe dream | a hope that can never come true | what a plumber sees while asleep
tip of the iceberg | a small visible part of a much larger problem | the top of a frozen mountain in the sea
"""


def expressions() -> list[tuple[str, str, str]]:
    """Expression, meaning and decoy, 48 times.

    >>> len(expressions()), expressions()[0]
    (48, ('hot dog', 'a sausage served in a bun', 'a warm puppy'))
    """
    rows = [line.split(" | ") for line in _TEXT.strip().splitlines()]
    return [(expression, meaning, decoy) for expression, meaning, decoy in rows]
