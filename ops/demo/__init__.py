"""`aetherflow demo`: three departments' files through the whole product, with what they say."""
