"""Words that generated companies are made of: names in many scripts, streets, subjects, and awkward strings."""

FIRST_NAMES = (
    "Anna", "Jürgen", "Zoë", "François", "Łukasz", "Søren", "İbrahim", "Siobhán", "José", "Nguyễn", "Ольга", "Дмитрий",
    "Ελένη", "美咲", "大翔", "伟", "지훈", "محمد", "ליאור", "Priya", "Mary Jane",
    "Kwame", "Björk", "Ægir", "Emma", "Liam",
    "Noah", "Mia", "Paul", "Clara", "Henri", "Giulia", "Mateusz", "Inês",
)  # fmt: skip
LAST_NAMES = (
    "Müller", "O'Brien", "Weiß", "Dupont-Lefèvre", "Kowalczyk", "Sørensen", "Yılmaz", "García Márquez", "Trần",
    "Иванова",
    "Παπαδόπουλος", "田中", "王", "김", "الخطيب", "כהן", "Sharma", "Mensah", "Guðmundsdóttir", "Smith",
    "Schmidt", "Rossi",
    "van der Berg", "Novák", "Silva", "Andersson", "Fischer", "Koch", "Bauer", "Keller",
)  # fmt: skip
COMPANY_STEMS = (
    "Nordwind", "Bäckerei Öhlmann", "Acme", "Grüne Wiese", "Café Zürich", "山田製作所", "北京云帆科技", "한빛소프트",
    "شركة النور", "אור הצפון", "Смарт Лоджистик", "Ελληνικά Ναυπηγεία", "Blå Havn", "Fábrica São João", "Čistá Energie",
    "Tom & Jerry's", "Rocket 🚀 Labs", "Quote \"Unquote\"", "100% Natural", "Van Dijk", "Alpenglück", "Solaris",
    "Hafenkontor", "Blue Heron", "Kestrel", "Umbra", "Meridian", "Fjällräv", "Terra Nova", "Stahlwerk Ost", "Ümlaut",
    "Ångström Instruments", "L'Étoile", "Data, Inc", "Semi;colon", "Tabula Rasa", "Zweibrücken Optik", "Polar",
)  # fmt: skip
COMPANY_ENDINGS = (
    "GmbH", "AG", "S.A.", "Ltd", "LLC", "株式会社", "有限公司", "Oy", "AB", "Sp. z o.o.", "B.V.", "SARL",
    "& Söhne", "KG",
    "Inc.", "Group", "Holding", "e.K.",
)  # fmt: skip
CITIES = (
    ("Berlin", "Germany", "Berlin", "10115"),
    ("München", "Germany", "Bayern", "80331"),
    ("Zürich", "Switzerland", "Zürich", "8001"),
    ("Genève", "Switzerland", "Genève", "1201"),
    ("London", "United Kingdom", "England", "EC1A 1BB"),
    ("New York", "United States", "NY", "10001"),
    ("東京", "日本", "東京都", "100-0001"),
    ("서울", "대한민국", "서울", "04524"),
    ("Kraków", "Poland", "Małopolskie", "30-001"),
    ("İstanbul", "Türkiye", "İstanbul", "34000"),
    ("São Paulo", "Brazil", "SP", "01000-000"),
    ("القاهرة", "مصر", "القاهرة", "11511"),
)
STREETS = ("Hauptstraße", "Bahnhofstr.", "Rue de l’Église", "High Street", "中央通り", "Via Roma", "Ulica Długa")
DEAL_SUBJECTS = (
    "Rahmenvertrag", "Annual licence", "Pilot", "Erweiterung", "Renewal", "設備更新", "Wartung", "Onboarding 🎉",
    "Relaunch", "Großauftrag", "Consulting days", "Abo", "Upgrade", "Ausschreibung", "Machbarkeitsstudie",
)  # fmt: skip
ACTIVITY_SUBJECTS = (
    "Call back", "Angebot nachfassen", "Kick-off", "Demo", "Lunch with buyer", "契約書を送る", "Quarterly review",
    "Vertrag prüfen", "Send sample", "Check-in ☎", "Überfällige Rechnung", "Site visit",
)  # fmt: skip
NOTE_TEXTS = (
    "<p>Spoke to the <b>buyer</b>, budget is approved.</p>",
    "<ul><li>Größe: 40&nbsp;m²</li><li>Preis &lt; 10.000&nbsp;€</li></ul>",
    "<div>担当者が変わりました。<br>来週電話する。</div>",
    '<p>See <a href="https://example.com/?a=1&amp;b=2">the offer</a> 📎</p>',
    "Plain text, no markup at all.",
    "<p>مرحبا، تم الاتفاق على السعر.</p>",
    "<p>Quote: &quot;we'll sign on Friday&quot;</p>\n<p>— really?</p>",
)
LOST_REASONS = ("Price", "Zu teuer", "No budget", "Competitor won", "Kein Bedarf mehr", None)
FILE_NAMES = ("Angebot.pdf", "contract final (2).docx", "写真.png", "Übersicht Q3.xlsx", "notes.txt", "logo.svg")
JOB_TITLES = ("CEO", "Einkaufsleiter:in", "Head of Procurement", "Directeur général", "エンジニア", None)
CURRENCIES = (
    ("EUR", "Euro", 2, "€"),
    ("USD", "US Dollar", 2, "$"),
    ("GBP", "Pound Sterling", 2, "£"),
    ("CHF", "Swiss Franc", 2, "CHF"),
    ("JPY", "Japanese Yen", 0, "¥"),
    ("SEK", "Swedish Krona", 2, "kr"),
    ("KWD", "Kuwaiti Dinar", 3, "KD"),
)
ACTIVITY_TYPES = (
    ("Call", "call"),
    ("Meeting", "meeting"),
    ("Task", "task"),
    ("Deadline", "deadline"),
    ("Email", "email"),
    ("Lunch", "lunch"),
)
PIPELINES = (
    ("Neukunden", ("Kontakt", "Qualifiziert", "Angebot", "Verhandlung")),
    ("Bestandskunden / Renewals", ("Anfrage", "Angebot", "Vertrag")),
    ("日本", ("引合い", "見積り", "受注待ち")),
)
