"""Plain English sentences of many shapes, to count where a model looks when nobody has chosen the example."""

_TEXT = """
The dog chased the cat through the garden.
A cat was pursued across the lawn by a hound.
The teacher thanked the student for the gift.
A pupil was told by the instructor how welcome his present was.
The bank raised its interest rates again.
Borrowing money has become more expensive once more.
The train to Paris leaves at nine in the morning.
Travellers from the French capital get here before noon.
She forgot to lock the door before she left.
The house stayed open after her departure.
The soup is too salty for me.
I find this broth bland, since someone forgot the seasoning.
The river flooded the village after the heavy rain.
Homes stood under water when the storm had passed.
My brother sold his car to a neighbour.
The man next door bought a vehicle from my sibling.
The doctor told the nurse to wait.
The physician was asked by the nurse to be patient.
Nobody in the office speaks Spanish.
None of the employees knows the language of Madrid.
The museum is free on Sundays.
Visitors pay nothing to see the art at the end of the week.
Germany beat Brazil in the final.
The South Americans lost the last match against the Germans.
The child is afraid of the big dog.
A large puppy frightens the little boy.
The phone rings, but nobody answers it.
A call goes on without anyone taking it.
The company hired two hundred workers this year.
The firm created many new jobs in recent months.
He drinks coffee without sugar.
There is nothing sweet in his espresso.
The plane landed an hour late.
The flight came in sixty minutes behind schedule.
The lawyer wrote a letter to the judge.
The judge received mail from the attorney.
Our team won although it played badly.
A poor performance was enough for our victory.
The bridge is older than the church.
The church was built after the bridge.
The farmer sold the horse and kept the cow.
The cow stayed on the farm, and the horse went.
It is easy to get lost in the old town.
One cannot find the way through the ancient streets without a map.
The medicine helped the patient to sleep.
Thanks to the pills, the sick man had a quiet night.
The mother read the book to her daughter.
The girl listened while her mother told the story.
If it rains tomorrow, we will stay at home and play cards.
What did you buy at the market this morning?
The more you practise, the better you play.
In 1969, two men walked on the moon.
Neither the captain nor the crew saw the island.
Please close the window, the baby is asleep.
The book that you lent me was stolen from my car.
Light travels faster than sound.
Three of the five bottles were empty.
When the music stopped, everybody looked at the door.
The old man and the sea are both quiet tonight.
Where there is smoke, there is fire.
"""


def sentences() -> list[str]:
    """Sixty sentences of 5 to 13 words.

    >>> len(sentences()), sentences()[0]
    (60, 'The dog chased the cat through the garden.')
    """
    return _TEXT.strip().splitlines()
