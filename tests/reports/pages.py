"""A strict reader of HTML: what is opened is closed, ids differ, references lead somewhere."""

from html.parser import HTMLParser

VOID = {"meta", "br", "hr"}
LOADING = {"src", "srcset", "data", "action", "poster", "background"}


class Page(HTMLParser):
    """The text, the tags and the attributes of a page, or an AssertionError where it is broken."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.ids, self.texts, self.references = [], [], [], [], []
        self.by_tag = {}
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        assert len(set(self.ids)) == len(self.ids), "two elements with one id"
        assert set(self.references) <= set(self.ids)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute twice: {attrs}"
        assert not LOADING & set(attributes) and tag not in ("script", "link", "iframe", "object")
        assert not any(name.startswith("on") for name in attributes)
        self.tags.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.references += attributes.get("aria-labelledby", "").split()
        if "href" in attributes:
            assert attributes["href"].startswith("#")
            self.references.append(attributes["href"][1:])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open and data.strip():
            self.texts.append(data)
            self.by_tag.setdefault(self.open[-1], []).append(data)

    @property
    def text(self):
        return " ".join(self.texts)
