"""What `mediml train` and `mediml evaluate` do for each model; `common` is what they share."""
