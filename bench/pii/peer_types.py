"""How other tools name what they find, and what it is called here. Imports nothing: their programs read it too.

With ``~``: a wider notion of ours, which helps recall and is never a false alarm (a city is rightly a LOCATION, but no
address; any date is a DATE_TIME). What is not listed counts as found at all, and as nothing else.
"""

from __future__ import annotations

PRESIDIO: dict[str, str] = {
    "PERSON": "PERSON",
    "ORGANIZATION": "ORGANISATION",
    "NRP": "~ORGANISATION",
    "LOCATION": "~ADDRESS",
    "UK_POSTCODE": "~ADDRESS",
    "DATE_TIME": "~BIRTH_DATE",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "URL": "~URL",
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "CREDIT_CARD": "BANK_CARD",
    "IBAN_CODE": "IBAN",
    "CRYPTO": "CRYPTO",
    "US_BANK_NUMBER": "BANK_ACCOUNT",
    "ABA_ROUTING_NUMBER": "US_ROUTING",
    "US_DRIVER_LICENSE": "DRIVER_LICENCE",
    "UK_DRIVING_LICENCE": "DRIVER_LICENCE",
    "US_PASSPORT": "PASSPORT",
    "UK_PASSPORT": "PASSPORT",
    "DE_PASSPORT": "PASSPORT",
    "US_SSN": "US_SSN",
    "US_ITIN": "US_ITIN",
    "US_NPI": "US_NPI",
    "UK_NHS": "UK_NHS",
    "UK_NINO": "UK_NINO",
    "AU_ABN": "TAX_ID",
    "AU_TFN": "TAX_ID",
    "ES_NIF": "TAX_ID",
    "IT_VAT_CODE": "TAX_ID",
    "DE_TAX_ID": "TAX_ID",
    "DE_VAT_ID": "TAX_ID",
}
LLM_GUARD: dict[str, str] = {
    "PERSON": "PERSON",
    "PHONE_NUMBER": "PHONE",
    "PHONE_NUMBER_ZH": "PHONE",
    "PHONE_NUMBER_WITH_EXT": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "EMAIL_ADDRESS_RE": "EMAIL",
    "IP_ADDRESS": "IP",
    "CREDIT_CARD": "BANK_CARD",
    "CREDIT_CARD_RE": "BANK_CARD",
    "IBAN_CODE": "IBAN",
    "CRYPTO": "CRYPTO",
    "BTC_ADDRESS": "CRYPTO",
    "US_SSN": "US_SSN",
    "US_SSN_RE": "US_SSN",
    "US_BANK_NUMBER": "BANK_ACCOUNT",
    "UUID": "~UUID",
    "URL_RE": "~URL",
    "DATE_RE": "~BIRTH_DATE",
    "PO_BOX_RE": "ADDRESS",
}
